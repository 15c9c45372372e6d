// Command bare is an HTTP handler that decodes a job and answers as an api would, without a database: what net/http and JSON
// cost by themselves.
package main

import (
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
	flag.Parse()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /v1/jobs", enqueue)
	mux.HandleFunc("POST /push", func(http.ResponseWriter, *http.Request) {})
	if err := http.ListenAndServe(*listen, mux); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

func enqueue(w http.ResponseWriter, r *http.Request) {
	var j job
	if err := json.NewDecoder(r.Body).Decode(&j); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	j.ID, j.Payload = hex.EncodeToString(id[:]), nil
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(j) // the client has gone if it fails
}
