package dbserver

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// galera is one node of a cluster.
type galera struct {
	mariadb
	provider        string
	seed            *Server
	number          int
	group, ist, sst int // ports: of the group, of missed write sets, of state transfers
	address         string
	position        string // where it stands, uuid:seqno; "" = nowhere yet
	first           bool   // it begins the cluster
}

func (e *galera) prepare(_ context.Context, s *Server) error {
	s.password = e.seed.password
	if err := os.Mkdir(filepath.Join(s.home.dir, "tmp"), 0o700); err != nil {
		return err
	}
	return os.CopyFS(filepath.Join(s.home.dir, "data"), os.DirFS(filepath.Join(e.seed.Dir(), "data")))
}

// mayBegin notes that a node may begin the cluster anew: a killed one does not trust itself to be the last.
func mayBegin(s *Server) error {
	name := filepath.Join(s.home.dir, "data", "grastate.dat")
	content, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return os.WriteFile(name, []byte(strings.Replace(string(content), "safe_to_bootstrap: 0", "safe_to_bootstrap: 1", 1)), 0o600)
}

func (e *galera) command(s *Server) command {
	c := e.mariadb.command(s)
	c.bin = e.seed.Dir()
	c.args = append(c.args,
		"--wsrep-on=ON", "--wsrep-provider="+e.provider, "--wsrep-cluster-name=slotq", "--wsrep-cluster-address="+e.address,
		"--wsrep-node-name=node"+strconv.Itoa(e.number), "--wsrep-node-address=127.0.0.1:"+strconv.Itoa(e.group),
		"--wsrep-sst-method=copy", "--wsrep-sst-receive-address="+local(e.sst),
		"--binlog-format=ROW", "--innodb-autoinc-lock-mode=2", "--wsrep-slave-threads=2",
		"--wsrep-provider-options="+strings.Join([]string{
			"base_port=" + strconv.Itoa(e.group), "gmcast.listen_addr=tcp://" + local(e.group), "ist.recv_addr=" + local(e.ist),
			"gcache.size=256M",
		}, ";"),
	)
	if e.position != "" {
		c.args = append(c.args, "--wsrep-start-position="+e.position)
	}
	if e.first {
		c.args = append(c.args, "--wsrep-new-cluster")
	}
	// The accounts came with the copy; made again by each node, they would be written on all others too.
	for i, a := range c.args {
		if strings.HasPrefix(a, "--init-file=") {
			c.args = append(c.args[:i], c.args[i+1:]...)
			break
		}
	}
	return c
}

// status reads a variable of a server's state.
func status(ctx context.Context, db *sql.DB, name string) (value string, err error) {
	err = db.QueryRowContext(ctx, "SHOW GLOBAL STATUS LIKE '"+name+"'").Scan(&name, &value)
	return value, err
}

// caughtUp returns nil when a node is a synced member of the cluster. Its own word is not enough: one that was cut off
// calls itself synced until it notices. So it is made to wait for all that the cluster has committed, which fails when the
// others have gone on without it.
func caughtUp(ctx context.Context, db *sql.DB) error {
	state, err := status(ctx, db, "wsrep_local_state_comment")
	if err != nil {
		return err
	}
	if state != "Synced" {
		return fmt.Errorf("it is %s", state)
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "SET wsrep_sync_wait = 1"); err != nil {
		return err
	}
	var nodes int
	return conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM mysql.wsrep_cluster_members").Scan(&nodes)
}
