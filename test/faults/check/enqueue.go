package check

import "github.com/slotq/slotq/test/faults/history"

// acked: every acknowledged job is there and has ended as it should: one that completed has a run that came to its end,
// one that was cancelled was asked to be, and one that was discarded had failed or crashed as often as it may.
func (j *judge) acked() {
	seen := map[string]bool{}
	ended := map[string]bool{} // ids with a run that came to its end without a failure
	for r, n := range j.ends {
		if !n.Failed {
			ended[r.job] = true
		}
	}
	asked, poisoned := j.asked()
	for i := range j.Events {
		e := &j.Events[i]
		if e.Type == history.Fail && e.Call == history.Get && e.Status == 404 {
			j.v.Lost++
			j.find(AckedNotLost, "job %s was acknowledged, and later not there when it was asked for", e.Job)
		}
		if e.Type != history.OK || e.Call != history.Enqueue || e.Sent.Conflict || seen[e.Sent.Hash] {
			continue
		}
		seen[e.Sent.Hash] = true
		j.v.Acknowledged++
		j.hit(AckedNotLost)
		f := j.final[e.Job]
		switch {
		case f == nil:
			j.v.Lost++
			j.find(AckedNotLost, "job %s was acknowledged and is nowhere", e.Job)
		case !f.Ended():
			j.v.Unended++
			if j.Drained {
				j.find(HistoryIsSound, "job %s is %s, but all jobs are said to have ended", e.Job, f.State)
			}
		case f.State == "completed" && !ended[e.Job]:
			j.v.Lost++
			j.find(AckedNotLost, "job %s is completed, but no run of it came to its end", e.Job)
		case f.State == "cancelled" && !asked[e.Job]:
			j.v.Lost++
			j.find(AckedNotLost, "job %s is cancelled, but nobody asked for that", e.Job)
		case f.State == "discarded" && f.Reason == "max_attempts" && !e.Sent.Fails, f.State == "discarded" && f.Reason == "max_crashes" && poisoned && !e.Sent.Kills,
			f.State == "discarded" && f.Reason != "max_attempts" && f.Reason != "max_crashes":
			j.v.Lost++
			j.find(AckedNotLost, "job %s was discarded (%s) at attempt %d, run %d, with %d crashes, for no fault of its own", e.Job, f.Reason, f.Attempt, f.Run, f.Crashes)
		}
	}
	if !j.Drained {
		j.find(Recovery, "%d jobs have not ended within the limit for draining", j.v.Unended)
	}
}

// asked are the jobs that somebody asked to cancel; poisoned says that there are jobs that kill their worker.
func (j *judge) asked() (ids map[string]bool, poisoned bool) {
	ids = map[string]bool{}
	for i := range j.Events {
		if e := &j.Events[i]; e.Type == history.Invoke && e.Call == history.Cancel {
			ids[e.Job] = true
		}
	}
	for _, s := range j.sent {
		poisoned = poisoned || s.Kills
	}
	return ids, poisoned
}

// phantoms: every run and every job was enqueued by somebody, and the payload arrived byte for byte.
func (j *judge) phantoms() {
	for _, starts := range j.starts {
		for _, n := range starts {
			j.hit(NoPhantom)
			if s := j.sent[n.Hash]; s == nil || s.Conflict {
				j.v.Phantom++
				j.find(NoPhantom, "run %d of job %s has a payload that nobody enqueued (%s)", n.Run, n.Job, n.Hash)
			} else if s.ID != "" && s.ID != n.Job {
				j.v.Phantom++
				j.find(NoPhantom, "the payload of job %s ran as job %s", s.ID, n.Job)
			}
		}
	}
	for id, f := range j.final {
		if s := j.sent[f.Hash]; f.Whole && (s == nil || s.Conflict) {
			j.v.Phantom++
			j.find(NoPhantom, "job %s has a payload that nobody enqueued", id)
		}
	}
}

// keys: what was sent as one job is one job, by all answers, all runs and all rows; a used key or id with another body
// makes none.
func (j *judge) keys() {
	ids := map[string]map[string]bool{} // hash → ids
	times := map[string]int{}
	created := map[string]int{}
	sizes := map[int64]int{} // of requests
	for i := range j.Events {
		if e := &j.Events[i]; e.Type == history.Invoke {
			sizes[e.Op]++
		}
	}
	is := func(hash, id string) {
		if hash == "" || id == "" {
			return
		}
		if ids[hash] == nil {
			ids[hash] = map[string]bool{}
		}
		ids[hash][id] = true
	}
	for i := range j.Events {
		e := &j.Events[i]
		if e.Call != history.Enqueue || e.Sent == nil {
			continue
		}
		if e.Sent.Conflict {
			switch e.Type {
			case history.OK:
				j.v.Duplicated++
				j.find(OneJobPerKey, "a used id or key with another body was accepted as job %s", e.Job)
			case history.Fail:
				if e.Status >= 400 && e.Status != 429 {
					j.hit(OneJobPerKey)
				}
			}
			continue
		}
		if e.Type == history.Invoke && (e.Sent.Key != "" || e.Sent.ID != "") {
			if times[e.Sent.Hash]++; times[e.Sent.Hash] == 2 {
				j.hit(OneJobPerKey)
			}
		}
		switch {
		case e.Type == history.OK:
			is(e.Sent.Hash, e.Job)
			if e.Status == 201 && sizes[e.Op] == 1 { // a batch answers 201 for what is there too
				if created[e.Sent.Hash]++; created[e.Sent.Hash] == 2 && (e.Sent.Key != "" || e.Sent.ID != "") {
					j.v.Duplicated++
					j.find(OneJobPerKey, "one job (key %q, id %q) was created twice, by the answers: the first was gone", e.Sent.Key, e.Sent.ID)
				}
			}
		case e.Type == history.Fail && e.Status >= 400 && e.Status != 429:
			j.find(OneJobPerKey, "a sound request (key %q, id %q) was refused with status %d", e.Sent.Key, e.Sent.ID, e.Status)
		}
	}
	for id, starts := range j.starts {
		for _, n := range starts {
			is(n.Hash, id)
		}
	}
	for id, f := range j.final {
		is(f.Hash, id)
	}
	for hash, made := range ids {
		if s := j.sent[hash]; len(made) > 1 && s != nil {
			j.v.Duplicated++
			j.find(OneJobPerKey, "what was sent as one job (key %q, id %q, payload %s) became %d jobs", s.Key, s.ID, hash, len(made))
		}
	}
}
