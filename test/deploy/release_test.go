package deploy

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slotq/slotq/test/e2e/system"
)

// releaseIn makes a release of one small program in a copy of the repository, which differs from another copy in its path,
// in the times of its files and in what the umask lets others do.
func releaseIn(t *testing.T, umask string) (dir, sums string) {
	t.Helper()
	dir = system.Checkout(t)
	cmd := exec.Command("bash", "-c", "umask "+umask+" && exec deploy/release.sh")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "VERSION=v9", "SOURCE_DATE_EPOCH=1700000000", "PLATFORMS=linux/amd64", "PROGRAMS=demo-thumbnail=worker/cmd/demo-thumbnail")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir, read(t, filepath.Join(dir, "dist", "SHA256SUMS"))
}

func TestAReleaseHasTheSameBytesWhereverItIsBuilt(t *testing.T) {
	dir, first := releaseIn(t, "022")
	_, second := releaseIn(t, "077")
	if first != second || !strings.HasSuffix(first, "  slotq-v9-linux-amd64.tar.gz\n") {
		t.Errorf("sums differ, or are of something else:\n%s%s", first, second)
	}
	check := exec.Command("sha256sum", "--check", "--strict", "SHA256SUMS")
	check.Dir = filepath.Join(dir, "dist")
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}

	files := unpack(t, filepath.Join(dir, "dist", "slotq-v9-linux-amd64.tar.gz"))
	program, err := elf.NewFile(bytes.NewReader(files["demo-thumbnail"]))
	if err != nil {
		t.Fatalf("files %v: %v", files, err)
	}
	if libraries, err := program.ImportedLibraries(); program.Section(".interp") != nil || len(libraries) > 0 || err != nil {
		t.Errorf("the program is not static: libraries %v, %v", libraries, err)
	}
	var sbom struct {
		BOMFormat string
		Metadata  struct {
			Component struct{ Name, Version string }
		}
		// The program uses nothing but the standard library.
		Components []struct{ Name string }
	}
	if err := json.Unmarshal(files["demo-thumbnail.cdx.json"], &sbom); err != nil {
		t.Fatal(err)
	}
	if c := sbom.Metadata.Component; sbom.BOMFormat != "CycloneDX" || c.Name != "github.com/slotq/slotq/worker" || c.Version != "v9" || len(sbom.Components) != 1 || sbom.Components[0].Name != "std" {
		t.Errorf("the SBOM is of something else: %+v", sbom)
	}
	for _, want := range []string{"LICENSE", "README.md", "systemd/slotq-worker.service"} {
		if len(files[want]) == 0 {
			t.Errorf("the archive lacks %s", want)
		}
	}
}

// unpack returns an archive's files by their path below its one directory.
func unpack(t *testing.T, path string) map[string][]byte {
	t.Helper()
	compressed, err := gzip.NewReader(strings.NewReader(read(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for in := tar.NewReader(compressed); ; {
		header, err := in.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.ModTime.Unix() != 1700000000 || header.Uid != 0 || header.Mode&0o022 != 0 {
			t.Errorf("%s: time %s, user %d, mode %o", header.Name, header.ModTime, header.Uid, header.Mode)
		}
		_, name, _ := strings.Cut(header.Name, "/")
		if files[name], err = io.ReadAll(in); err != nil {
			t.Fatal(err)
		}
	}
}
