package app

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/service"
)

// Config is the api's configuration: each field is a flag and an environment variable.
type Config struct {
	service.Common

	Listen             string        `default:"127.0.0.1:8080" placeholder:"ADDR" help:"Serve the api here. Beyond loopback it needs a token to exist, or --insecure."`
	Insecure           bool          `help:"Serve beyond loopback although there is no token yet: until the first one exists, keep others out by the network."`
	TLSCert            string        `placeholder:"PATH" help:"Certificate chain (PEM) to serve HTTPS with."`
	TLSKey             string        `placeholder:"PATH" help:"Key (PEM) of the certificate."`
	MaxPayload         service.Bytes `default:"256KiB" placeholder:"SIZE" help:"The largest payload of a job."`
	MaxBody            service.Bytes `default:"16MiB" placeholder:"SIZE" help:"The largest body of a request."`
	BootstrapTokenFile string        `placeholder:"PATH" help:"File with the secret of a token for everything, made at the start when it is not there."`
	RateLimit          float64       `placeholder:"N" help:"Requests a second that one token may send, and as many at once; default: any number."`
	MaxConnections     int           `default:"4096" placeholder:"N" help:"Connections open at once; further ones wait."`
	Demo               bool          `help:"Offer jobs for the example handlers on the page, as make run does."`
	AutoCreate         bool          `default:"true" negatable:"" help:"A job for an unknown queue makes it; otherwise it is refused."`
}

// smallestBody leaves room for a job with every field but the payload.
const smallestBody = 64 << 10

// check finds what is wrong with the flags together.
func (c *Config) check() error {
	var faults []error
	if (c.TLSCert == "") != (c.TLSKey == "") {
		faults = append(faults, errors.New("--tls-cert and --tls-key need each other: give both or neither"))
	}
	if c.MaxPayload < 1 || c.MaxBody < smallestBody || c.MaxBody-smallestBody < c.MaxPayload {
		faults = append(faults, fmt.Errorf("--max-body %s must be at least 64KiB more than --max-payload %s, and that at least 1 byte", c.MaxBody, c.MaxPayload))
	}
	if c.RateLimit < 0 || c.MaxConnections < 1 {
		faults = append(faults, fmt.Errorf("--rate-limit %g must not be below 0, and --max-connections %d not below 1", c.RateLimit, c.MaxConnections))
	}
	if c.MaxBody > 1<<30 {
		faults = append(faults, fmt.Errorf("--max-body %s is more than 1GiB: bodies are held in memory", c.MaxBody))
	}
	if len(faults) > 0 {
		return &service.UsageError{Err: errors.Join(faults...)}
	}
	return nil
}

// hosts are the names answered to besides localhost.
func (c *Config) hosts() []string {
	hosts := append([]string(nil), c.Hosts...)
	if host, _, err := net.SplitHostPort(c.Listen); err == nil && host != "" {
		if ip, err := netip.ParseAddr(host); err != nil || !ip.IsUnspecified() {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// secure makes a listener speak TLS when there is a certificate. HTTP/1.1 alone: its limits on time and size hold for
// a connection, HTTP/2 would need limits of its own.
func (c *Config) secure(l net.Listener) (net.Listener, error) {
	if c.TLSCert == "" {
		return l, nil
	}
	pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert and --tls-key: %w", err)
	}
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}}), nil
}

// explain adds what to do about an error that says only what happened.
func explain(err error, url service.DatabaseURL) error {
	if errors.Is(err, job.ErrUnavailable) {
		err = fmt.Errorf("the database %s cannot be reached, or does not answer in time; is its server running? %w", url, err)
	}
	return url.RedactError(err)
}
