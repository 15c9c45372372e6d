package deploy

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"image/jpeg"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
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
		if service.Restart != "unless-stopped" && name != "migrate" {
			t.Errorf("%s restarts %q: what dies must come back", name, service.Restart)
		}
	}
}

func TestComposeRunsNoProgramOfOursAsRootOrWithAWritableImageOrOnAnOlderSchema(t *testing.T) {
	project := compose(t)
	dockerfile := read(t, "../../deploy/Dockerfile")
	for _, name := range []string{"api", "worker", "manager", "migrate"} {
		service := project.Services[name]
		if !service.ReadOnly || !slices.Equal(service.CapDrop, []string{"ALL"}) || !slices.Contains(service.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s: read_only %v, cap_drop %v, security_opt %v", name, service.ReadOnly, service.CapDrop, service.SecurityOpt)
		}
		if user := imageUserOf(dockerfile, service.Build.Target); user != "nonroot" && user != "10001:10001" {
			t.Errorf("%s: its image runs as %q", name, user)
		}
		if name != "migrate" && service.DependsOn["migrate"].Condition != types.ServiceConditionCompletedSuccessfully {
			t.Errorf("%s does not wait for the migration: %+v", name, service.DependsOn["migrate"])
		}
	}
}

// imageUserOf is the user of a target of the Dockerfile, its own or that of what it is built on.
func imageUserOf(dockerfile, target string) string {
	for stage := range strings.SplitSeq(dockerfile, "\nFROM ") {
		header, body, _ := strings.Cut(stage, "\n")
		base, ours := strings.CutSuffix(header, " AS "+target)
		if !ours {
			continue
		}
		if own := regexp.MustCompile(`(?m)^USER (\S+)$`).FindStringSubmatch(body); own != nil {
			return own[1]
		}
		return imageUserOf(dockerfile, base)
	}
	_, tag, _ := strings.Cut(target, ":") // an image of somebody else's, which says it by its tag
	return tag
}

func TestPasswordsAreMadeOnceForTheirOwnerAlone(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "deploy"), os.DirFS("../../deploy")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, ".env")
	var first string
	for range 2 {
		if out, err := exec.Command("sh", filepath.Join(dir, "deploy", "env.sh")).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("the mode of .env is %v, %v", info, err)
		}
		content := read(t, path)
		if first != "" && content != first {
			t.Errorf("a second run has changed the passwords:\n%s%s", first, content)
		}
		first = content
	}
	if _, err := loadCompose(t, strings.Fields(first)...); err != nil {
		t.Errorf("compose lacks something: %v", err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(first) {
		_, password, _ := strings.Cut(strings.TrimSpace(line), "=")
		if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(password) || seen[password] {
			t.Errorf("%q is no password of its own", line)
		}
		seen[password] = true
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

func environment(service types.ServiceConfig) map[string]string {
	values := map[string]string{}
	for name, value := range service.Environment {
		values[name] = *value
	}
	return values
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

func TestComposeServicesRunJobsAsLocalProcesses(t *testing.T) {
	t.Parallel()
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
	l.start("slotq-manager", project.Services["migrate"].Command, environment(project.Services["migrate"]), nil)
	l.start("slotq-api", api.Command, environment(api), map[string]string{":8080": apiAddress, ":8090": apiOps})
	for range worker.GetScale() {
		address := freeAddress(t)
		ops["worker"] = append(ops["worker"], address)
		l.start("slotq-worker", worker.Command, environment(worker), map[string]string{":8081": address})
	}
	for range manager.GetScale() {
		address := freeAddress(t)
		ops["manager"] = append(ops["manager"], address)
		l.start("slotq-manager", manager.Command, environment(manager), map[string]string{":8082": address})
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
