package deploy

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"image/jpeg"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	_ "github.com/go-sql-driver/mysql" // makes the compose file's user on the private server

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store/dbserver"
	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/test/e2e/system"
)

// composePassword is what deploy/env.sh would have made.
const composePassword = "0123456789abcdef"

func loadCompose(t *testing.T, env ...string) (*types.Project, error) {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"../../docker-compose.yml"}, cli.WithEnv(env), cli.WithDiscardEnvFile)
	if err != nil {
		t.Fatal(err)
	}
	return options.LoadProject(t.Context())
}

func compose(t *testing.T) *types.Project {
	t.Helper()
	project, err := loadCompose(t, "MYSQL_PASSWORD="+composePassword, "MYSQL_ROOT_PASSWORD=other", "GRAFANA_PASSWORD=third")
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestComposeWithoutPasswordsSaysHowToMakeThem(t *testing.T) {
	if _, err := loadCompose(t); err == nil || !strings.Contains(err.Error(), "deploy/env.sh") {
		t.Errorf("error %v, want it to name deploy/env.sh", err)
	}
}

func TestComposePublishesOnThisMachineOnlyAndTheDatabaseNotAtAll(t *testing.T) {
	for name, service := range compose(t).Services {
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes %s on %q, want 127.0.0.1", name, port.Published, port.HostIP)
			}
			if name == "mysql" {
				t.Errorf("the database publishes %s", port.Published)
			}
		}
		if service.Restart != "unless-stopped" {
			t.Errorf("%s restarts %q: what dies must come back", name, service.Restart)
		}
	}
}

func TestComposeMountsOnlyFilesThatThereAre(t *testing.T) {
	for name, service := range compose(t).Services {
		for _, volume := range service.Volumes {
			if volume.Type != types.VolumeTypeBind {
				continue
			}
			if _, err := os.Stat(volume.Source); err != nil {
				t.Errorf("%s mounts %s: %v", name, volume.Source, err)
			}
		}
		if service.Build != nil {
			if !strings.Contains(read(t, "../../"+service.Build.Dockerfile), " AS "+service.Build.Target+"\n") {
				t.Errorf("%s builds the target %s, which %s does not have", name, service.Build.Target, service.Build.Dockerfile)
			}
		}
	}
}

// imageUser is whom the image's USER is, as numbers.
var imageUser = syscall.Credential{Uid: 10001, Gid: 10001}

// local is a compose project on this machine: names of hosts and their ports become 127.0.0.1 and free ports, in the
// order of the services' own addresses; nothing else is changed.
type local struct {
	t       *testing.T
	address map[string]string // "mysql:3306" → "127.0.0.1:41234"
	workDir string            // stands for /srv/slotq of the worker's image
}

// localize rewrites addresses in a flag or a variable.
func (l *local) localize(text string) string {
	for from, to := range l.address {
		text = strings.ReplaceAll(text, from, to)
	}
	return text
}

// start runs one replica of a service until the test ends. Listeners of all interfaces become ones of this machine.
func (l *local) start(service types.ServiceConfig, program string, listen map[string]string) {
	l.t.Helper()
	var args []string
	for _, arg := range service.Command {
		if name, address, ok := strings.Cut(arg, "=:"); ok {
			arg = name + "=" + listen[":"+address]
		}
		args = append(args, l.localize(arg))
	}
	cmd := exec.Command(binary(l.t, program), args...)
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	for name, value := range service.Environment {
		cmd.Env = append(cmd.Env, name+"="+l.localize(*value))
	}
	cmd.Dir = l.workDir
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if os.Geteuid() == 0 {
		user := imageUser
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &user}
	}
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
		err := cmd.Wait()
		kill.Stop()
		if err != nil {
			l.t.Errorf("%s ended: %v", program, err)
		}
		if l.t.Failed() {
			l.t.Logf("%s %s:\n%s", program, strings.Join(args, " "), log.String())
		}
	})
}

// srv makes what the image worker-demo has in /srv/slotq, as its Dockerfile copies it.
func srv(t *testing.T, handlers string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "slotq-srv-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, step := range []func() error{
		func() error { return os.CopyFS(filepath.Join(dir, "deploy", "demo"), os.DirFS("../../deploy/demo")) },
		func() error { return os.MkdirAll(filepath.Join(dir, "bin"), 0o755) },
		func() error {
			return os.Symlink(binary(t, "demo-thumbnail"), filepath.Join(dir, "bin", "demo-thumbnail"))
		},
		func() error { return os.Mkdir(filepath.Join(dir, "data"), 0o755) },
		func() error { return os.WriteFile(filepath.Join(dir, "worker.yaml"), []byte(handlers), 0o644) },
		func() error { return os.Chmod(dir, 0o755) },
		func() error {
			if os.Geteuid() != 0 {
				return nil
			}
			return os.Chown(filepath.Join(dir, "data"), int(imageUser.Uid), int(imageUser.Gid))
		},
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// mariadb starts a server with the database and the user that the compose file's mysql makes, and returns its address.
func mariadb(t *testing.T, service types.ServiceConfig) string {
	t.Helper()
	server, err := dbserver.StartMariaDB(t.Context(), dbserver.Options{Fast: true})
	if errors.Is(err, dbserver.ErrNotInstalled) {
		system.Absent(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Stop() })
	at, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("mysql", fmt.Sprintf("%s@tcp(%s)/", at.User, at.Host))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	env := func(name string) string { return *service.Environment[name] }
	for _, statement := range []string{
		"CREATE DATABASE IF NOT EXISTS " + env("MYSQL_DATABASE"),
		fmt.Sprintf("CREATE USER %s@'%%' IDENTIFIED BY '%s'", env("MYSQL_USER"), env("MYSQL_PASSWORD")),
		fmt.Sprintf("GRANT ALL ON %s.* TO %s@'%%'", env("MYSQL_DATABASE"), env("MYSQL_USER")),
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	return at.Host
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestComposeServicesRunJobsAsLocalProcesses(t *testing.T) {
	project := compose(t)
	api, worker, manager := project.Services["api"], project.Services["worker"], project.Services["manager"]
	apiAddress, apiOps := freeAddress(t), freeAddress(t)
	l := &local{t: t, address: map[string]string{
		"mysql:3306": mariadb(t, project.Services["mysql"]),
		"api:8080":   apiAddress,
	}}
	handlers := l.localize(read(t, "../../deploy/compose/worker.yaml"))
	// The containers' networks are private ones; here all is on the loopback.
	l.workDir = srv(t, strings.ReplaceAll(handlers, "10.0.0.0/8", "127.0.0.0/8"))

	ops := map[string][]string{"api": {apiOps}}
	l.start(api, "slotq-api", map[string]string{":8080": apiAddress, ":8090": apiOps})
	for range worker.GetScale() {
		address := freeAddress(t)
		ops["worker"] = append(ops["worker"], address)
		l.start(worker, "slotq-worker", map[string]string{":8081": address})
	}
	for range manager.GetScale() {
		address := freeAddress(t)
		ops["manager"] = append(ops["manager"], address)
		l.start(manager, "slotq-manager", map[string]string{":8082": address})
	}
	if len(ops["worker"]) != 2 || len(ops["manager"]) != 2 {
		t.Errorf("%d workers and %d managers, want 2 of each", len(ops["worker"]), len(ops["manager"]))
	}
	for service, addresses := range ops {
		for _, address := range addresses {
			await(t, 60*time.Second, service+" to be ready", func() error { return ready(t.Context(), address) })
		}
	}

	client, err := wire.NewClient("http://"+apiAddress, nil)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]job.ID{}
	for _, n := range []wire.NewJob{
		{Kind: "demo.thumbnail", Payload: []byte(`{"in": "deploy/demo/photo.jpg", "out": "data/small.jpg"}`)},
		{Kind: "demo.shell", Payload: []byte(`{"hello": "world"}`)},
		{Kind: "demo.http", Payload: []byte(`{"kind": "demo.shell", "tags": ["by demo.http"]}`)},
		{Kind: "demo.flaky", Backoff: &wire.Backoff{Kind: "list", List: []float64{0.1, 0.2}}},
		{Kind: "demo.stuck", MaxAttempts: 1},
	} {
		made, err := client.Enqueue(t.Context(), n)
		if err != nil {
			t.Fatalf("%s: %v", n.Kind, err)
		}
		ids[n.Kind] = made.ID
	}
	ended := map[string]wire.Job{}
	for kind, id := range ids {
		await(t, 60*time.Second, kind+" to end", func() (err error) {
			j, err := client.Get(t.Context(), id)
			if err == nil && !j.State.Finished() {
				err = fmt.Errorf("it is %s, errors %v", j.State, j.Errors)
			}
			ended[kind] = j
			return err
		})
	}
	for kind, want := range map[string]job.State{
		"demo.thumbnail": job.Completed, "demo.shell": job.Completed, "demo.http": job.Completed, "demo.flaky": job.Completed, "demo.stuck": job.Discarded,
	} {
		if j := ended[kind]; j.State != want {
			t.Errorf("%s ended %s (%s), want %s: %v", kind, j.State, j.StateReason, want, j.Errors)
		}
	}
	if j := ended["demo.flaky"]; j.Attempt != 3 || len(j.Errors) != 2 {
		t.Errorf("demo.flaky took %d attempts with %d errors, want 3 and 2", j.Attempt, len(j.Errors))
	}
	if j := ended["demo.stuck"]; len(j.Errors) != 1 || j.Errors[0].Type != "timed_out" {
		t.Errorf("demo.stuck has errors %v, want a time limit", j.Errors)
	}
	if output := string(ended["demo.shell"].Output); !strings.Contains(output, "hello") {
		t.Errorf("demo.shell printed %s", output)
	}
	checkThumbnail(t, filepath.Join(l.workDir, "data", "small.jpg"))
	await(t, 30*time.Second, "the job that demo.http enqueued to complete", func() error {
		page, err := client.Page(t.Context(), wire.JobFilter{Tag: "by demo.http"}, "")
		if err == nil && (len(page.Jobs) != 1 || page.Jobs[0].State != job.Completed) {
			err = fmt.Errorf("jobs %+v", page.Jobs)
		}
		return err
	})

	// After all that has happened, these are there to see, and nothing that the contract does not name.
	await(t, 30*time.Second, "the leading manager to count", func() error {
		seen := map[string]bool{}
		for _, addresses := range ops {
			for _, address := range addresses {
				scrape(t, address, seen)
			}
		}
		for name := range goldenMetrics(t) {
			if rare := []string{"slotq_job_crashes_total", "slotq_unserved_jobs"}; !seen[name] && !slices.Contains(rare, name) {
				return fmt.Errorf("no process exports %s", name)
			}
		}
		return nil
	})
}

// checkThumbnail decodes the picture that demo.thumbnail made of the one in the repository.
func checkThumbnail(t *testing.T, path string) {
	t.Helper()
	large, err := jpeg.DecodeConfig(bytes.NewReader([]byte(read(t, "../../deploy/demo/photo.jpg"))))
	if err != nil || large.Width < 3000 {
		t.Errorf("the photo is %d px wide, %v; want at least 3000", large.Width, err)
	}
	small, err := jpeg.Decode(bytes.NewReader([]byte(read(t, path))))
	if err != nil {
		t.Fatalf("the thumbnail cannot be decoded: %v", err)
	}
	if size := small.Bounds().Size(); size.X != 320 || size.Y != large.Height*320/large.Width {
		t.Errorf("the thumbnail is %v, want 320 px wide and as high as the photo's proportions ask for", size)
	}
	// The sky is blue above and the scene not of one colour: it is the photo.
	r, _, b, _ := small.At(20, 5).RGBA()
	r2, _, b2, _ := small.At(160, 95).RGBA()
	if b <= r || b2 >= b && r2 <= r {
		t.Errorf("colours %d/%d and %d/%d are not those of the photo", r>>8, b>>8, r2>>8, b2>>8)
	}
}

func ready(ctx context.Context, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return errors.New(strconv.Itoa(answer.StatusCode))
	}
	return nil
}

func await(t *testing.T, limit time.Duration, what string, so func() error) {
	t.Helper()
	if err := system.Await(t.Context(), limit, so); err != nil {
		t.Fatalf("waited %s for %s: %v", limit, what, err)
	}
}
