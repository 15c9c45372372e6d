package main

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/slotq/slotq/shared/store/dbserver"
)

// smallDisk is enough for an empty server and for the jobs of a row.
const smallDisk = "size=600m,mode=0777"

// onSmallDisk puts the database's files on a file system of their own in memory. It needs the right to mount.
func onSmallDisk(s *stage, _ string) *dbserver.Options {
	dir := s.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL's user has to enter it
		s.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, smallDisk); err != nil {
		s.Fatalf("a small disk for the database: %w", err)
	}
	s.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return &dbserver.Options{Dir: dir}
}

// diskFull fills the database's disk to the last byte for 5 s, again and again. PostgreSQL ends when its log cannot grow,
// and has to be started again, as its service manager would.
func diskFull(ctx context.Context, r *running) {
	for ctx.Err() == nil {
		pauseFor(ctx, 4*time.Second)
		ballast := filepath.Join(r.db.disk, "ballast")
		if err := fill(ballast); err != nil {
			r.Errorf("fill the disk: %w", err)
			return
		}
		r.count.add("disk full", 1)
		pauseFor(ctx, 5*time.Second)
		if err := os.Remove(ballast); err != nil {
			r.Errorf("free the disk: %w", err)
		}
		if r.db.name == postgres {
			if err := r.db.server.Restart(context.Background()); err != nil {
				r.Errorf("restart the database: %w", err)
				return
			}
		}
		r.healthyAgain()
	}
}

// fill writes until there is no room left.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for block := make([]byte, 1<<20); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2] // what is left is smaller
		}
	}
	return nil
}
