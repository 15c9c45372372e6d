// Command bare is an HTTP handler that decodes a job and answers as an api would, without a database: what net/http and JSON
// cost by themselves. With --slots it stores the jobs before it answers, by bare statements: what the database costs beside them.
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
)

// job is what is decoded, and with its id what is answered.
type job struct {
	ID      string          `json:"id"`
	Queue   string          `json:"queue"`
	Kind    string          `json:"kind"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address")
	slots := flag.Int("slots", 0, "store jobs in so many slots of the queue, in the database of SLOTQ_DATABASE_URL; 0 = store nothing")
	queue := flag.Int("queue-id", 0, "the queue to store jobs in")
	flag.Parse()
	put := func([]byte) error { return nil }
	if *slots > 0 {
		s, err := open(context.Background(), os.Getenv("SLOTQ_DATABASE_URL"), int32(*queue), *slots)
		if err != nil {
			fmt.Fprintln(os.Stderr, "bare:", err)
			os.Exit(1)
		}
		put = s.put
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /v1/jobs", enqueue(put))
	mux.HandleFunc("POST /push", func(http.ResponseWriter, *http.Request) {})
	if err := http.ListenAndServe(*listen, mux); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

func enqueue(put func(payload []byte) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var j job
		if err := json.NewDecoder(r.Body).Decode(&j); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := put(j.Payload); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		var id [16]byte
		_, _ = rand.Read(id[:]) // never fails
		j.ID, j.Payload = hex.EncodeToString(id[:]), nil
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(j) // the client has gone if it fails
	}
}
