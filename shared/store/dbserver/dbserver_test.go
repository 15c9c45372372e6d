package dbserver

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// ownerDir, when set, makes this binary start a server there, print its URL and wait to be killed.
const ownerDir = "SLOTQ_DBSERVER_TEST_OWNER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(ownerDir); dir != "" {
		s, err := StartPostgres(context.Background(), Options{Fast: true, Dir: dir})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(s.URL())
		select {}
	}
	goleak.VerifyTestMain(m)
}

var starters = map[string]func(context.Context, Options) (*Server, error){
	"mariadb": StartMariaDB, "postgres": StartPostgres,
}

// each runs a test with a running server of each kind.
func each(t *testing.T, test func(t *testing.T, s *Server)) {
	for name, start := range starters {
		t.Run(name, func(t *testing.T) {
			s, err := start(context.Background(), Options{Fast: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Stop(); err != nil {
					t.Error(err)
				}
			})
			test(t, s)
		})
	}
}

func connect(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, _, err := open(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func must(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(context.Background(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func TestKilledServerComesBackOnThePortWithItsData(t *testing.T) {
	each(t, func(t *testing.T, s *Server) {
		before, pid := s.URL(), s.Pid()
		db := connect(t, before)
		must(t, db, "CREATE TABLE kept (n INT)")
		must(t, db, "INSERT INTO kept VALUES (42)")
		s.Kill()
		if alive(pid) || s.Pid() != 0 {
			t.Fatal("the server survived kill -9")
		}
		if err := db.PingContext(context.Background()); err == nil {
			t.Fatal("a killed server answered")
		}
		if err := s.Restart(context.Background()); err != nil {
			t.Fatal(err)
		}
		var n int
		if err := db.QueryRow("SELECT n FROM kept").Scan(&n); err != nil || n != 42 {
			t.Errorf("read %d, %v after the restart", n, err)
		}
		if s.URL() != before || s.Pid() == 0 || s.Pid() == pid {
			t.Errorf("got %s and process %d, had %s and %d", s.URL(), s.Pid(), before, pid)
		}
	})
}

func TestStopLeavesNoProcessAndNoDirectory(t *testing.T) {
	each(t, func(t *testing.T, s *Server) {
		all := append(descendants(s.Pid()), s.Pid())
		if strings.HasPrefix(s.URL(), "postgres:") && len(all) < 3 {
			t.Errorf("found only processes %v", all)
		}
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		for _, pid := range all {
			if alive(pid) {
				t.Errorf("process %d is left", pid)
			}
		}
		if _, err := os.Stat(s.Dir()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the directory is left: %v", err)
		}
		if err := s.Stop(); err != nil {
			t.Errorf("the second Stop: %v", err)
		}
		if err := s.Restart(context.Background()); err == nil {
			t.Error("a stopped server was started")
		}
	})
}

func TestPausedServerAnswersNothingUntilContinued(t *testing.T) {
	each(t, func(t *testing.T, s *Server) {
		db := connect(t, s.URL())
		must(t, db, "SELECT 1") // an open connection
		if err := s.Pause(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		if _, err := db.ExecContext(ctx, "SELECT 1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a paused server gave %v", err)
		}
		if err := s.Continue(); err != nil {
			t.Fatal(err)
		}
		must(t, db, "SELECT 1")
		s.Kill()
		if s.Pause() == nil || s.Continue() == nil {
			t.Error("a killed server was paused")
		}
	})
}

func TestPausedServerCanBeStopped(t *testing.T) {
	each(t, func(t *testing.T, s *Server) {
		if err := errors.Join(s.Pause(), s.Stop()); err != nil {
			t.Error(err)
		}
	})
}

func TestFreshGivesADatabaseOfItsOwn(t *testing.T) {
	each(t, func(t *testing.T, s *Server) {
		ctx := context.Background()
		first, dropFirst, err := Fresh(ctx, s.URL())
		if err != nil {
			t.Fatal(err)
		}
		second, dropSecond, err := Fresh(ctx, first) // any database of the server will do
		if err != nil {
			t.Fatal(err)
		}
		defer dropSecond()
		for _, url := range []string{first, second} {
			must(t, connect(t, url), "CREATE TABLE mine (n INT)") // fails if they were one
		}
		dropFirst() // with a connection open
		if err := connect(t, first).PingContext(ctx); err == nil {
			t.Error("the database is still there")
		}
		must(t, connect(t, second), "SELECT * FROM mine")
	})
}

func TestOnlyThePasswordOpensTheServer(t *testing.T) {
	each(t, func(t *testing.T, s *Server) {
		u, err := url.Parse(s.URL())
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword("root", "")
		if err := connect(t, u.String()).PingContext(context.Background()); err == nil {
			t.Error("root came in without a password")
		}
	})
}

func TestServersAreDurableUnlessFast(t *testing.T) {
	for name, fast := range map[string]bool{"durable": false, "fast": true} {
		s := &Server{home: &home{dir: "x"}, fast: fast, args: []string{"--extra"}}
		maria := strings.Join(mariadb{}.command(s).args, " ")
		post := strings.Join(postgres{}.command(s).args, " ")
		if strings.Contains(maria, "--innodb-flush-log-at-trx-commit=1") == fast || strings.Contains(maria, "skip-innodb-doublewrite") != fast {
			t.Errorf("%s: %s", name, maria)
		}
		if strings.Contains(post, "fsync=on") == fast || !strings.Contains(post, "synchronous_commit=on") {
			t.Errorf("%s: %s", name, post)
		}
		if !strings.HasSuffix(maria, " --extra") || !strings.HasSuffix(post, " --extra") {
			t.Errorf("%s: the caller's arguments are not last", name)
		}
	}
}

func TestAServerThatCannotStartSaysWhyAndLeavesNothing(t *testing.T) {
	for name, start := range starters {
		t.Run(name, func(t *testing.T) {
			dir := reachable(t)
			_, err := start(context.Background(), Options{Fast: true, Dir: dir, Args: []string{"--no-such-option=1"}})
			if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "_", "-"), "no-such-option") {
				t.Errorf("got %v", err)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// reachable is a temporary directory that the user postgres can enter.
func reachable(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestAServerDiesWithItsOwnerAndItsLeftoversGoAtTheNextStart(t *testing.T) {
	dir := reachable(t)
	owner := exec.Command(os.Args[0])
	owner.Env = append(os.Environ(), ownerDir+"="+dir)
	output, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	u, parseErr := url.Parse(strings.TrimSpace(line))
	if err != nil || parseErr != nil || u.Host == "" {
		t.Fatalf("the owner said %q: %v", line, err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()
	// The server's end ends the connection, so reading waits for it.
	if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the server lives on")
	}
	next, err := newHome(dir, "next")
	if err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) != 1 || left[0] != next.dir {
		t.Errorf("found %v, %v, want only %s", left, err, next.dir)
	}
	if err := next.remove(); err != nil {
		t.Error(err)
	}
}

func TestADirectoryInUseIsNoLeftover(t *testing.T) {
	dir := t.TempDir()
	first, err := newHome(dir, "x")
	if err != nil {
		t.Fatal(err)
	}
	second, err := newHome(dir, "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(first.dir); err != nil {
		t.Errorf("the second start removed the first's directory: %v", err)
	}
	if err := errors.Join(first.remove(), second.remove()); err != nil {
		t.Error(err)
	}
}

func TestOpenRefusesWhatIsNoServerWithoutNamingThePassword(t *testing.T) {
	for _, text := range []string{"sqlite:x.db", "redis://u:hunter2@h/d", "mysql://u:hunter2/x@h/d"} {
		if _, _, err := open(text); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v", text, err)
		}
	}
}
