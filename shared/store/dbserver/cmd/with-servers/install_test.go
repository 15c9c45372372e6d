package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestWhatKeepsServersFromStartingIsGoneAfterwardsUnlessItWasThereBefore(t *testing.T) {
	owners := filepath.Join(t.TempDir(), "policy")
	if err := os.WriteFile(owners, []byte("the owner's"), 0o644); err != nil {
		t.Fatal(err)
	}
	ours := filepath.Join(t.TempDir(), "new", "policy")
	for _, path := range []string{owners, ours} {
		allow, err := forbid(path, "ours")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
		allow()
	}
	if content, err := os.ReadFile(owners); err != nil || string(content) != "the owner's" {
		t.Errorf("the owner's file has become %q, %v", content, err)
	}
	if _, err := os.Stat(ours); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file made for the installation is left behind: %v", err)
	}
}
