package dbserver

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Nodes is how many servers a Galera cluster has: the fewest of which one may be lost.
const Nodes = 3

// syncLimit bounds how long a node may take to catch up with the others. It only tells slow from stuck.
const syncLimit = 2 * time.Minute

// join tries again when a node has ended by itself: it has lost the group while it joined, on a busy machine, or a port to
// another program.
func join(try func() error) (err error) {
	for range 3 {
		if err = try(); !errors.Is(err, errEnded) {
			break
		}
	}
	return err
}

// FindGalera returns the path of the replication library, or ErrNotInstalled.
func FindGalera() (string, error) {
	for _, path := range []string{"/usr/lib/galera/libgalera_smm.so", "/usr/lib64/galera-4/libgalera_smm.so", "/usr/lib/libgalera_smm.so"} {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("Galera (libgalera_smm.so): %w", ErrNotInstalled)
}

// Galera is a cluster of MariaDB servers on loopback, each of which takes writes. Its nodes are killed and frozen through
// Node; what concerns the group goes through the cluster.
type Galera struct {
	nodes   [Nodes]*Server
	engines [Nodes]*galera
	seed    *Server // its data is what the nodes began with
}

// StartGalera starts a cluster and returns when all nodes are synced, about 15 s later; ErrNotInstalled when there is
// none on this machine. The options are every node's. Stop must be called.
func StartGalera(ctx context.Context, options Options) (*Galera, error) {
	library, err := FindGalera()
	if err != nil {
		return nil, err
	}
	// All begin as copies of one server, so that there is no moment at which the accounts are not there yet.
	seed, err := StartMariaDB(ctx, Options{Fast: true, Dir: options.Dir})
	if err != nil {
		return nil, err
	}
	seed.Kill()
	_ = os.Remove(filepath.Join(seed.Dir(), "data", "socket")) // left by kill -9, and no file to copy
	g := &Galera{seed: seed}
	if err = join(func() error {
		return errors.Join(g.stopNodes(), g.begin(ctx, library, options)) // those of the try before
	}); err != nil {
		return nil, errors.Join(fmt.Errorf("start a cluster: %w", err), g.Stop())
	}
	return g, nil
}

//go:embed sst.sh
var sst []byte

func (g *Galera) begin(ctx context.Context, library string, options Options) error {
	if err := os.WriteFile(filepath.Join(g.seed.Dir(), "wsrep_sst_copy"), sst, 0o700); err != nil {
		return err
	}
	ports, err := freePorts(3 * Nodes)
	if err != nil {
		return err
	}
	var group []string
	for i := range g.engines {
		e := &galera{
			mariadb: g.seed.engine.(mariadb), provider: library, seed: g.seed, number: i,
			group: ports[3*i], ist: ports[3*i+1], sst: ports[3*i+2],
		}
		group = append(group, local(e.group))
		g.engines[i] = e
	}
	for i, e := range g.engines {
		e.address, e.first = "gcomm://"+strings.Join(group, ","), i == 0
		s, err := start(ctx, e, options)
		if err != nil {
			return err
		}
		e.first, g.nodes[i] = false, s
		if err := g.AwaitSynced(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// Node returns a server of the cluster, 0 to Nodes-1, to be killed, paused or asked for its URL. Start starts it again:
// Restart alone does not know where it stands.
func (g *Galera) Node(i int) *Server { return g.nodes[i] }

// Start starts a killed node and returns when it has caught up with the others. If none of them is there, it fails:
// then see Bootstrap.
func (g *Galera) Start(ctx context.Context, i int) error {
	return join(func() error {
		if err := g.restart(ctx, i); err != nil {
			return err
		}
		return g.AwaitSynced(ctx, i)
	})
}

func (g *Galera) restart(ctx context.Context, i int) (err error) {
	if g.engines[i].position, _, err = g.recover(i); err != nil {
		return err
	}
	return g.nodes[i].Restart(ctx)
}

// Bootstrap starts the cluster again when all its nodes are dead, from the one that had committed most.
func (g *Galera) Bootstrap(ctx context.Context) error {
	best, most := 0, int64(-2)
	for i := range g.nodes {
		g.nodes[i].Kill()
		_, n, err := g.recover(i)
		if err != nil {
			return err
		}
		if n > most {
			best, most = i, n
		}
		// Without the view of the group that they remember, which would wait for members that may not come.
		_ = os.Remove(filepath.Join(g.nodes[i].Dir(), "data", "gvwstate.dat"))
	}
	if err := mayBegin(g.nodes[best]); err != nil {
		return err
	}
	g.engines[best].first = true
	err := g.Start(ctx, best)
	g.engines[best].first = false
	for i := range g.nodes {
		if err == nil && i != best {
			err = g.Start(ctx, i)
		}
	}
	return err
}

// Isolate cuts a node off from the others, as a broken network would; clients still reach it. Rejoin ends it.
func (g *Galera) Isolate(ctx context.Context, i int) error { return g.isolate(ctx, i, 1) }

// Rejoin ends Isolate and returns when the node has caught up.
func (g *Galera) Rejoin(ctx context.Context, i int) error {
	if err := g.isolate(ctx, i, 0); err != nil {
		return err
	}
	return g.AwaitSynced(ctx, i)
}

func (g *Galera) isolate(ctx context.Context, i, on int) error {
	db, _, err := open(g.nodes[i].URL())
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, fmt.Sprintf("SET GLOBAL wsrep_provider_options = 'gmcast.isolate=%d'", on))
	return err
}

// readyLimit bounds Ready: a frozen node takes a connection and says nothing.
const readyLimit = 700 * time.Millisecond

// Ready asks a node whether it takes statements, as a load balancer does: one cut off from the others answers, but not
// that.
func (g *Galera) Ready(ctx context.Context, i int) bool {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	db, _, err := open(g.nodes[i].URL())
	if err != nil {
		return false
	}
	defer db.Close()
	state, err := status(ctx, db, "wsrep_ready")
	return err == nil && state == "ON"
}

// AwaitSynced returns when a node is a synced member of the cluster.
func (g *Galera) AwaitSynced(ctx context.Context, i int) error {
	ctx, cancel := context.WithTimeout(ctx, syncLimit)
	defer cancel()
	db, _, err := open(g.nodes[i].URL())
	if err != nil {
		return err
	}
	defer db.Close()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := caughtUp(ctx, db)
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
			if g.nodes[i].ended() {
				return fmt.Errorf("node %d: %w; its log ends with:\n%s", i, errEnded, g.nodes[i].logTail())
			}
		case <-ctx.Done():
			return fmt.Errorf("node %d has not caught up: %w; its log ends with:\n%s", i, errors.Join(ctx.Err(), err), g.nodes[i].logTail())
		}
	}
}

// Stop ends all nodes and removes their data.
func (g *Galera) Stop() error { return errors.Join(g.stopNodes(), g.seed.Stop()) }

func (g *Galera) stopNodes() error {
	var errs []error
	for i, s := range g.nodes {
		if s != nil {
			errs = append(errs, s.Stop())
		}
		g.nodes[i] = nil
	}
	return errors.Join(errs...)
}

var recovered = regexp.MustCompile(`WSREP: Recovered position: ([0-9a-f-]{36}):(-?\d+)`)

// recover reads from its storage where a dead node stands, and repairs its log on the way. The node's own note of it is
// written only at a regular end.
func (g *Galera) recover(i int) (position string, seqno int64, err error) {
	e, s := g.engines[i], g.nodes[i]
	c := e.command(s)
	c.args = append(c.args, "--wsrep-recover", "--log-error-verbosity=3")
	cmd := exec.Command(c.path, c.args...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = c.dir, c.environ(), attributes(c.user)
	output, err := cmd.CombinedOutput()
	found := recovered.FindAllSubmatch(output, -1)
	if len(found) == 0 {
		return "", 0, fmt.Errorf("node %d does not know where it stands (%v):\n%s", i, err, tail(string(output)))
	}
	last := found[len(found)-1]
	seqno, err = strconv.ParseInt(string(last[2]), 10, 64)
	return string(last[1]) + ":" + string(last[2]), seqno, err
}

func local(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }
