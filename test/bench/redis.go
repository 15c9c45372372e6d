package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"
)

// redis is a private server with an append-only file; what it holds ends with it.
type redis struct {
	url, version string
	stop         func()
}

func startRedis(ctx context.Context, dir, fsync string) (*redis, error) {
	version, err := exec.CommandContext(ctx, "redis-server", "--version").Output()
	if err != nil {
		return nil, errors.New("redis-server is not installed")
	}
	home, err := os.MkdirTemp(dir, "redis-")
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(address)
	cmd := exec.CommandContext(ctx, "redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", home,
		"--save", "", "--appendonly", "yes", "--appendfsync", fsync)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &redis{url: "redis://" + address, version: strings.TrimSpace(string(version)), stop: func() {
		_ = cmd.Process.Kill() // its data goes with it
		_ = cmd.Wait()
		os.RemoveAll(home)
	}}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			return s, conn.Close()
		}
		if time.Now().After(deadline) {
			s.stop()
			return nil, fmt.Errorf("redis-server did not answer within 10 s: %w", err)
		}
	}
}
