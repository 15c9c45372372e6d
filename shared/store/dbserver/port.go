package dbserver

import (
	"errors"
	"math/rand/v2"
	"net"
)

// freePort returns a loopback port that nobody listens on. It stays below the range that the kernel takes ports for
// outgoing connections from: while a server is down, a client that keeps connecting to a port of that range is given
// it as its own in the end, connects to itself, and the server cannot come back.
func freePort() (int, error) {
	ports, err := freePorts(1)
	if err != nil {
		return 0, err
	}
	return ports[0], nil
}

// freePorts returns n different ones.
func freePorts(n int) (ports []int, err error) {
	const lowest, count = 20000, 12000
	for range 100 + n {
		port := lowest + rand.IntN(count)
		l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil {
			continue
		}
		defer l.Close() // not before all are found
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, errors.New("no free port between 20000 and 32000 on 127.0.0.1")
}
