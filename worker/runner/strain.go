package runner

import "time"

// strain tells when the database is so busy that claims at once only stand in each other's way: when a claim takes a multiple of
// what it takes at best. One at a time brings more then, since jobs gather in the slots meanwhile. With two workers and 24 slots
// MariaDB, on two processors that it shared with all of slotq, kept up with 2,000 POSTs a second while three claims were under way
// in each, half of its time for claims of few jobs, and with 3,100 while there was one; at 1,000 a second POSTs took half as long.
//
// Not always one: with a database that is far away, or whose commits are slow, jobs that come one by one would wait for each
// other's though it has time for all of them. Only the loop uses it.
type strain struct {
	mean     time.Duration // of the last claims that brought jobs
	best     time.Duration // in this period
	lastBest time.Duration // in the one before
	until    time.Time     // this period ends
	high     bool
}

// The multiples at which it begins and ends. Measured were up to 4.6 at 300 jobs a second on a slow disk with three claims at once,
// and where all processors were in use 6 to 13 with three and 4 to 13 with one.
const (
	strainHigh   = 5
	strainLow    = 3
	strainClaims = 32 // the mean follows so many
	strainPeriod = 30 * time.Second
)

// took notes how long a claim took that brought jobs; one that brings none ends without a commit.
func (s *strain) took(d time.Duration, now time.Time) {
	if now.After(s.until) {
		s.lastBest, s.best, s.until = s.best, d, now.Add(strainPeriod)
	}
	if s.mean == 0 {
		s.mean, s.lastBest = d, d
	}
	s.best = min(s.best, d)
	s.mean += (d - s.mean) / strainClaims
	best := min(s.best, s.lastBest)
	if s.mean > strainHigh*best {
		s.high = true
	} else if s.mean < strainLow*best {
		s.high = false
	}
}
