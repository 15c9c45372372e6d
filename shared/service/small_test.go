package service

import (
	"bytes"
	"math"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

func TestBytesReadsSizesAndRefusesTheRest(t *testing.T) {
	for text, want := range map[string]Bytes{
		"0": 0, "65536": 65536, "1B": 1, "256KiB": 256 << 10, "16MiB": 16 << 20, "2 GiB": 2 << 30, "5KB": 5000,
		"1MB": 1e6, "3GB": 3e9, " 7 ": 7, "9223372036854775807": math.MaxInt64,
	} {
		var got Bytes
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q gave %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "KiB", "-1", "1.5MiB", "1mib", "1TiB", "9223372036854775808", "9007199254740992KiB", "1KiB1"} {
		got := Bytes(42)
		if err := got.UnmarshalText([]byte(text)); err == nil || got != 42 {
			t.Errorf("%q was read as %d, %v", text, got, err)
		}
	}
}

func TestBytesPrintsWhatItReads(t *testing.T) {
	for b, want := range map[Bytes]string{0: "0", 1000: "1000", 1 << 10: "1KiB", 256 << 10: "256KiB", 3 << 20: "3MiB", 1 << 30: "1GiB"} {
		var again Bytes
		if err := again.UnmarshalText([]byte(b.String())); b.String() != want || err != nil || again != b {
			t.Errorf("%d printed as %s, read as %d, %v", b, b, again, err)
		}
	}
}

func TestLoggerFollowsLevelAndFormat(t *testing.T) {
	for _, test := range []struct{ level, format, want string }{
		{"info", "json", `"msg":"hello"`},
		{"info", "text", `msg=hello`},
		{"info", "auto", `"msg":"hello"`}, // a buffer is no terminal
		{"warn", "json", ""},
	} {
		var out bytes.Buffer
		common := Common{LogLevel: test.level, LogFormat: test.format}
		common.Logger(&out).Info("hello")
		if !strings.Contains(out.String(), test.want) || test.want == "" && out.Len() > 0 {
			t.Errorf("%+v wrote %q", test, &out)
		}
	}
}

func TestLogTimesAreUTC(t *testing.T) {
	local := time.Local
	t.Cleanup(func() { time.Local = local })
	time.Local = time.FixedZone("elsewhere", 3*3600)
	var out bytes.Buffer
	NewLogger(&out, "info", "json").Info("hello")
	if !strings.Contains(out.String(), `Z","level"`) {
		t.Error(&out)
	}
}

func TestAFileIsNoTerminal(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if IsTerminal(file) {
		t.Error("a file was taken for a terminal")
	}
}

func TestVersionPrefersTheReleaseThenTheCommit(t *testing.T) {
	version = "v9.9.9"
	t.Cleanup(func() { version = "" })
	if got := Version(); got != "v9.9.9" {
		t.Errorf("-ldflags were ignored: %s", got)
	}
	commit := []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef"}}
	for want, info := range map[string]debug.BuildInfo{
		"v1.2.3":             {Main: debug.Module{Version: "v1.2.3"}, Settings: commit},
		"0123456789ab":       {Main: debug.Module{Version: "(devel)"}, Settings: commit},
		"0123456789ab-dirty": {Settings: append(commit, debug.BuildSetting{Key: "vcs.modified", Value: "true"})},
		"devel":              {},
	} {
		if got := versionOf(&info); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
