package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// jpegOf writes a picture whose left half is red and whose right half is blue.
func jpegOf(t *testing.T, file string, width, height int) {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			if x < width/2 {
				img.SetRGBA(x, y, color.RGBA{200, 0, 0, 255})
			} else {
				img.SetRGBA(x, y, color.RGBA{0, 0, 200, 255})
			}
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestLargePictureBecomesSmallAndKeepsItsProportionsAndColours(t *testing.T) {
	dir := t.TempDir()
	jpegOf(t, filepath.Join(dir, "in.jpg"), 3000, 2000)
	var out bytes.Buffer
	if err := run(strings.NewReader(`{"in": "in.jpg", "out": "made/small.jpg"}`), &out, dir); err != nil {
		t.Fatal(err)
	}
	var got output
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(dir, "made", "small.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	if got != (output{320, 213, int64(len(content))}) {
		t.Errorf("output %+v, want 320 x 213 and %d bytes", got, len(content))
	}
	small, err := jpeg.Decode(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	r, _, b, _ := small.At(40, 100).RGBA()
	if r>>8 < 180 || b>>8 > 30 {
		t.Errorf("the left half is not red: r %d, b %d", r>>8, b>>8)
	}
	r, _, b, _ = small.At(280, 100).RGBA()
	if b>>8 < 180 || r>>8 > 30 {
		t.Errorf("the right half is not blue: r %d, b %d", r>>8, b>>8)
	}
	if files, _ := os.ReadDir(filepath.Join(dir, "made")); len(files) != 1 {
		t.Errorf("%d files beside the result, want it alone", len(files))
	}
}

func TestSmallPictureIsNotBlownUp(t *testing.T) {
	dir := t.TempDir()
	jpegOf(t, filepath.Join(dir, "in.jpg"), 64, 48)
	var out bytes.Buffer
	if err := run(strings.NewReader(`{"in": "in.jpg", "out": "out.jpg"}`), &out, dir); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), `"width":64,"height":48`) {
		t.Errorf("output %s, want 64 x 48", out.String())
	}
}

func TestWhatNoRetryCanHelpIsDiscarded(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "text.jpg"), []byte("not a picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, payload := range []string{
		``, `null`, `[]`, `{"in": "text.jpg"}`, `{"in": "text.jpg", "out": "o.jpg", "size": 3}`,
		`{"in": "text.jpg", "out": "o.jpg", "width": -1}`, `{"in": "text.jpg", "out": "o.jpg"}`,
	} {
		if err := run(strings.NewReader(payload), io.Discard, dir); !errors.Is(err, errPayload) {
			t.Errorf("payload %q: %v, want an error that discards", payload, err)
		}
	}
}

func TestMissingPictureMayComeLater(t *testing.T) {
	err := run(strings.NewReader(`{"in": "later.jpg", "out": "o.jpg"}`), io.Discard, t.TempDir())
	if !errors.Is(err, os.ErrNotExist) || errors.Is(err, errPayload) {
		t.Errorf("%v, want a failure that is tried again", err)
	}
}

func TestPathsStayBelowTheWorkingDirectory(t *testing.T) {
	outer := t.TempDir()
	dir := filepath.Join(outer, "work")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	jpegOf(t, filepath.Join(outer, "secret.jpg"), 8, 8)
	jpegOf(t, filepath.Join(dir, "in.jpg"), 8, 8)
	if err := os.Symlink("../secret.jpg", filepath.Join(dir, "link.jpg")); err != nil {
		t.Fatal(err)
	}
	for _, payload := range []string{
		`{"in": "../secret.jpg", "out": "o.jpg"}`, `{"in": "link.jpg", "out": "o.jpg"}`,
		`{"in": "in.jpg", "out": "../o.jpg"}`, `{"in": "in.jpg", "out": "` + outer + `/o.jpg"}`,
	} {
		if err := run(strings.NewReader(payload), io.Discard, dir); err == nil {
			t.Errorf("payload %s was carried out", payload)
		}
	}
	if _, err := os.Stat(filepath.Join(outer, "o.jpg")); err == nil {
		t.Error("wrote outside of the working directory")
	}
}
