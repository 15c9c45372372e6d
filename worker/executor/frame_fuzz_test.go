package executor

import (
	"bytes"
	"encoding/gob"
	"math"
	"reflect"
	"syscall"
	"testing"
	"time"
)

// FuzzFrame: what one end of the socket sends is what the other gets, the payload and the outputs byte for byte.
func FuzzFrame(f *testing.F) {
	f.Add(uint64(1), int64(0), "/bin/sh", "a\x00b", []byte(`{"a":1e400}`), []byte("\xff\x00"), uint32(9))
	f.Add(uint64(math.MaxUint64), int64(math.MinInt64), "", "", []byte(nil), bytes.Repeat([]byte{0xff}, OutputLimit), uint32(math.MaxUint32))
	f.Fuzz(func(t *testing.T, n uint64, d int64, path, argument string, payload, output []byte, status uint32) {
		requests := []request{
			{Op: opStart, Job: n, Spec: &spec{
				Path: path, Dir: argument, Argv: []string{path, argument}, Env: []string{argument + "=" + path}, Payload: payload,
				ID: argument, Run: int(d), Limits: Limits{Memory: d, Processes: int(status)}, User: &syscall.Credential{Uid: status, Groups: []uint32{status}},
			}},
			{Op: opStop, Job: n, Grace: time.Duration(d)}, {Op: opKill, Job: n}, {Op: opLease, Lease: d}, {Op: opRevoke},
		}
		var wire bytes.Buffer
		enc, dec := gob.NewEncoder(&wire), gob.NewDecoder(&wire)
		for _, r := range requests {
			var got request
			if err := enc.Encode(r); err != nil {
				t.Fatal(err)
			}
			if err := dec.Decode(&got); err != nil {
				t.Fatal(err)
			}
			if got.Spec != nil {
				if !bytes.Equal(got.Spec.Payload, payload) {
					t.Fatalf("payload %q arrives as %q", payload, got.Spec.Payload)
				}
				got.Spec.Payload = payload // nil and empty are the same
			}
			if !reflect.DeepEqual(got, r) {
				t.Fatalf("%+v arrives as %+v", r, got)
			}
		}
		wire.Reset()
		e := ended{Job: n, StartError: argument, Status: syscall.WaitStatus(status), Output: output, Stderr: payload, Survivors: int(d), Stopped: d > 0, Over: Limits{Memory: d}}
		var got ended
		if err := gob.NewEncoder(&wire).Encode(e); err != nil {
			t.Fatal(err)
		}
		if err := gob.NewDecoder(&wire).Decode(&got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Output, output) || !bytes.Equal(got.Stderr, payload) {
			t.Fatalf("output %q and %q arrive as %q and %q", output, payload, got.Output, got.Stderr)
		}
		got.Output, got.Stderr = e.Output, e.Stderr
		if !reflect.DeepEqual(got, e) {
			t.Fatalf("%+v arrives as %+v", e, got)
		}
	})
}

// FuzzBrokenFrame: bytes that are no frames end the reading; they neither harm the reader nor make it allocate what they
// only promise to send. No job holds the socket, so this is for a worker that dies in the middle of a frame.
func FuzzBrokenFrame(f *testing.F) {
	var b bytes.Buffer
	enc := gob.NewEncoder(&b)
	for _, r := range []request{{Op: opStart, Job: 1, Spec: &spec{Path: "/bin/sh", Payload: []byte("p")}}, {Op: opLease, Lease: 1}} {
		if err := enc.Encode(r); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:b.Len()-3])
	f.Add([]byte{0xfc, 0x3f, 0xff, 0xff, 0xff, 1}) // promises a gigabyte
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, into := range []any{new(request), new(ended)} {
			dec := gob.NewDecoder(bytes.NewReader(b))
			for range len(b) + 1 {
				if dec.Decode(into) != nil {
					break
				}
			}
		}
	})
}
