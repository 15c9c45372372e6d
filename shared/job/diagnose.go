package job

// Setting is one thing about a database that slotq's promises rest on, as it is in force in slotq's own sessions.
type Setting struct {
	Name   string // the database's own word for it
	Value  string
	Wrong  string // what this value costs; "" = it is as it should be
	Remedy string // a statement to copy, or what to do; only where it is wrong
}

// Turn is when a loop of the managers may run next, and who ran it last.
type Turn struct {
	Loop   string
	NextAt Time
	Holder WorkerID
}
