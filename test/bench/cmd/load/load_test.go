package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// api counts jobs and requests as an api would take them.
func api(t *testing.T, jobs, requests *atomic.Int64) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		var body struct {
			Kind string
			Jobs []struct{ Kind string }
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if body.Kind != "" {
			jobs.Add(1)
		}
		jobs.Add(int64(len(body.Jobs)))
		if want := r.URL.Path == "/v1/jobs/batch"; want != (len(body.Jobs) > 0) {
			http.Error(w, r.URL.Path, http.StatusNotFound)
			return
		}
		w.WriteHeader(http.StatusCreated)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func TestAllJobsAreSentOnceByAllClientsTogether(t *testing.T) {
	for name, s := range map[string]settings{
		"one by one": {clients: 7, jobs: 100, batch: 1}, "in batches": {clients: 3, jobs: 100, batch: 10},
	} {
		var jobs, requests atomic.Int64
		s.address, s.path = api(t, &jobs, &requests), "/v1/jobs"
		r, err := run(s)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if r.Jobs != 100 || jobs.Load() != 100 || int64(len(r.Took)) != requests.Load() {
			t.Errorf("%s: counted %d jobs and %d times, the api %d and %d", name, r.Jobs, len(r.Took), jobs.Load(), requests.Load())
		}
	}
}

func TestAFixedRateIsNeverExceeded(t *testing.T) {
	var jobs, requests atomic.Int64
	r, err := run(settings{address: api(t, &jobs, &requests), path: "/v1/jobs", clients: 4, batch: 1, rate: 200, seconds: 2})
	if err != nil {
		t.Fatal(err)
	}
	if r.Jobs == 0 || r.Jobs > 400 {
		t.Errorf("sent %d jobs in 2 s at 200 a second", r.Jobs)
	}
}

func TestAnErrorOfTheAPIEndsTheRun(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	_, err := run(settings{address: strings.TrimPrefix(server.URL, "http://"), path: "/v1/jobs", clients: 2, jobs: 10, batch: 1})
	if err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("got %v", err)
	}
}
