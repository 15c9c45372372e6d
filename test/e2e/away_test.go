package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store/dbserver"
	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/test/e2e/system"
)

// outage is how long the database is away: less than the default lease, so that nothing may come of it.
const outage = 10 * time.Second

// SQLite has no server that could be away; a file that is locked is the store's to test.
func TestADatabaseAwayFor10SecondsEndsNoJobAndCostsNoCrash(t *testing.T) {
	t.Parallel()
	for _, engine := range []struct {
		name  string
		start func(context.Context, dbserver.Options) (*dbserver.Server, error)
	}{{"mariadb", dbserver.StartMariaDB}, {"postgres", dbserver.StartPostgres}} {
		t.Run(engine.name, func(t *testing.T) {
			t.Parallel()
			server := ownServer(t, engine.start, dbserver.Options{Fast: true})
			s := system.New(t, system.Database{Name: engine.name, URL: server.URL()}, system.Default, handlersWith("http://127.0.0.1:1"), hookEnviron)
			parts := []*system.Process{s.StartAPI(), s.StartManager(), s.StartWorker(), s.StartGoHandler()}
			jobs := make([]wire.NewJob, 6)
			for i := range jobs {
				// One ends while the server is dead, two while it is frozen or soon after, the others after all.
				jobs[i] = wire.NewJob{Kind: "w.run", TimeoutSeconds: 600, Payload: orders{"ms": []int{6_000, 18_000, 22_000}[min(i, 2)] + 3_000*max(i-2, 0)}.payload()}
			}
			ids := postAll(t, s, jobs)
			pids := make([]int, len(ids))
			for i, id := range ids {
				pids[i] = started(t, s, id, 1).Pid
			}
			lasted := away(t, s, server.Kill, func() { check(t, server.Restart(context.WithoutCancel(t.Context()))) })
			healthy(t, s, parts)
			lasted = max(lasted, away(t, s, func() { check(t, server.Pause()) }, func() { check(t, server.Continue()) }))
			healthy(t, s, parts)
			for _, id := range ids {
				j := ended(t, s, id)
				wants(t, j, job.Completed, "")
				n := len(s.Runs.Of(system.Started, id))
				if lasted > outage+2*time.Second && n == 2 {
					t.Logf("job %s was stopped in an outage of %s, which was to be of %s: the server took long to start", id, lasted, outage)
					n = 1
				}
				if n != 1 || j.Crashes != 0 || j.Attempt != 1 {
					t.Errorf("job %s: %d starts, crashes %d, attempt %d, errors %+v", id, n, j.Crashes, j.Attempt, j.Errors)
				}
				if n := len(s.Runs.Of(system.Ended, id)); n != 1 {
					t.Errorf("job %s ran to its end %d times", id, n)
				}
			}
			isolated(t, s)
		})
	}
}

// away takes the database away, asks the api meanwhile, brings it back after the outage and returns how long that lasted.
func away(t *testing.T, s *system.System, take, bring func()) time.Duration {
	t.Helper()
	end := time.NewTimer(outage) // the outage itself, not a wait for anything
	defer end.Stop()
	gone := time.Now()
	take()
	ctx, cancel := context.WithTimeout(t.Context(), outage-time.Second)
	defer cancel()
	asked, slowest := 0, time.Duration(0)
	for ctx.Err() == nil {
		for _, c := range []struct{ method, path, body string }{
			{http.MethodPost, "/v1/jobs", `{"kind":"go.echo","queue":"away"}`},
			{http.MethodGet, "/v1/jobs/" + nowhere, ""}, {http.MethodGet, "/v1/queues", ""},
		} {
			began := time.Now()
			a, err := send(s.API, c.method, c.path, c.body)
			took := time.Since(began)
			if ctx.Err() != nil {
				break // the database may be back
			}
			if err != nil {
				t.Errorf("%s %s: %v", c.method, c.path, err)
				continue
			}
			asked, slowest = asked+1, max(slowest, took)
			p := problem(t, a, http.StatusServiceUnavailable)
			seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
			if err != nil || seconds < 1 || p.Code() != wire.CodeUnavailable {
				t.Errorf("%s %s: Retry-After %q, %s", c.method, c.path, a.header.Get("Retry-After"), a.body)
			}
		}
	}
	if asked == 0 {
		t.Error("the api was not asked")
	}
	if slowest > 5*time.Second+noise {
		t.Errorf("an answer took %s, promised are 5s", slowest)
	}
	t.Logf("%d answers of 503, the slowest after %s", asked, slowest.Round(time.Millisecond))
	<-end.C
	bring()
	return time.Since(gone)
}

// healthy waits until all is well again by itself.
func healthy(t *testing.T, s *system.System, parts []*system.Process) {
	t.Helper()
	back := time.Now()
	for _, p := range parts {
		eventually(t, patience, p.Name+" is ready again", func() error {
			if !p.Running() {
				return fmt.Errorf("it has ended")
			}
			return s.Ready(p)
		})
	}
	// Two outages on end would be one that is longer than a lease.
	eventually(t, patience, "every worker has renewed its lease", func() error {
		workers, err := s.Client.Workers(t.Context())
		for _, w := range workers {
			if w.HeartbeatAt.Before(back) {
				err = fmt.Errorf("the last heartbeat of %s was at %s", w.Name, w.HeartbeatAt)
			}
		}
		return err
	})
	var id job.ID
	eventually(t, patience, "a job is taken", func() error {
		e, err := s.Client.Enqueue(t.Context(), wire.NewJob{Kind: "go.echo", Payload: []byte(`"back"`)})
		id = e.ID
		return err
	})
	wants(t, ended(t, s, id), job.Completed, "")
	t.Logf("all is well %s after the database came back", time.Since(back).Round(time.Millisecond))
}
