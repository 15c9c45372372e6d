package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// peer is another job queue at one choice of settings. It is run by the module peers, through its own public library.
type peer struct {
	name, settings string
	system         string
	args           []string
	slower         int    // it gets so many times fewer jobs, since it would take minutes
	fsync          string // of Redis
	batches        bool   // its library has a call for many jobs
	latency        bool   // its latency is measured
}

// peersOn are the queues that run on a database: where a setting matters, once as documented and once at its best.
var peersOn = map[string][]peer{
	"postgres": {
		{name: "River, default", settings: "100 workers, 100 ms cooldown", system: "river", slower: 4, batches: true, latency: true},
		{name: "River, tuned", settings: "2,000 workers, 2 ms cooldown", system: "river", args: []string{"--workers=2000", "--cooldown=2ms"}, slower: 1, batches: true, latency: true},
		{name: "Graphile Worker", settings: "24 jobs at once, local queue of 500, completes in batches", system: "graphile", slower: 1, batches: true},
	},
	"sqlite": {
		{name: "goqite", settings: "10 jobs at once, synchronous=FULL", system: "goqite", args: []string{"--workers=10", "--cooldown=1ms"}, slower: 10, batches: true, latency: true},
	},
	"redis": {
		{name: "asynq, appendfsync always", settings: "64 workers", system: "asynq", args: []string{"--workers=64", "--cooldown=2ms"}, slower: 10, fsync: "always", latency: true},
		{name: "asynq, appendfsync everysec", settings: "64 workers", system: "asynq", args: []string{"--workers=64", "--cooldown=2ms"}, slower: 4, fsync: "everysec", latency: true},
	},
}

func (b *bench) peers(db database) []peer {
	if b.alone {
		return nil
	}
	return peersOn[db.name]
}

// peerResult is what the peers' program prints.
type peerResult struct {
	Jobs    int     `json:"jobs"`
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu_seconds"`
	Waits   []int64 `json:"waits_us"`
}

func (r peerResult) rate() float64 {
	if r.Seconds == 0 {
		return 0
	}
	return float64(r.Jobs) / r.Seconds
}

func (r peerResult) cpu() string {
	if r.Jobs == 0 {
		return ""
	}
	return cpuNote(r.CPU, r.Jobs) + ", filling included"
}

// runPeer runs one part of a peer on an empty database. One that cannot be had here, or fails, does not stop the others.
func (b *bench) runPeer(ctx context.Context, db database, p peer, part string, jobs int, more ...string) (r peerResult, err error) {
	url := strings.TrimPrefix(db.url, "sqlite:")
	if db.name == "redis" {
		s, err := startRedis(ctx, b.dir, p.fsync)
		if err != nil {
			return r, fmt.Errorf("%w: %w", errMissing, err)
		}
		defer s.stop()
		url = s.url
		b.report.version(s.version)
	}
	var command *exec.Cmd
	if p.system == "graphile" {
		dir, err := b.graphile()
		if err != nil {
			return r, fmt.Errorf("%w: %w", errMissing, err)
		}
		command = exec.CommandContext(ctx, "node", "graphile.mjs", part, url, strconv.Itoa(jobs))
		command.Dir = dir
	} else {
		args := append([]string{"--system", p.system, "--part", part, "--url", url, "--jobs", strconv.Itoa(jobs)}, p.args...)
		command = exec.CommandContext(ctx, filepath.Join(b.dir, "peers"), append(args, more...)...)
	}
	var failure bytes.Buffer
	command.Stderr = &failure
	out, err := command.Output()
	if ctx.Err() != nil {
		return r, ctx.Err()
	}
	if err != nil {
		return r, fmt.Errorf("%w: %w: %s", errMissing, err, firstLine(failure.String()))
	}
	return r, json.Unmarshal(out, &r)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// peersModule is where the module of the peers is, seen from where the benchmarks are run. It is in no workspace, so go list
// does not know it.
const peersModule = "peers"

// installGraphile fetches Graphile Worker with npm, as its package-lock.json has it.
func (b *bench) installGraphile() (dir string, err error) {
	dir = filepath.Join(b.dir, "graphile")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(peersModule, "graphile"))); err != nil {
		return "", err
	}
	install := exec.Command("npm", "ci", "--no-audit", "--no-fund")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w: %s", err, firstLine(string(out)))
	}
	return dir, nil
}
