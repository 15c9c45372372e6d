package job_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/slotq/slotq/shared/job"
)

// dealt are jobs of two queues in the order in which they are stored; every seventh of the first has a concurrency key.
func dealt(n, slots int) (jobs []*job.Job, keyed int) {
	for i := range n {
		j := &job.Job{QueueID: 1, Slot: -1, QueueSlots: slots}
		if i%7 == 3 {
			j.ConcurrencyKey = "k"
			keyed++
		}
		jobs = append(jobs, j, &job.Job{QueueID: 2, Slot: -1, QueueSlots: 1})
	}
	return jobs, keyed
}

func TestABatchFillsTheSlotsAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, slots := rapid.IntRange(0, 3000).Draw(t, "jobs"), rapid.IntRange(1, 1024).Draw(t, "slots")
		jobs, keyed := dealt(n, slots)
		job.DealBatch(jobs)
		per := make([]int, slots+1)
		for _, j := range jobs {
			switch {
			case j.ConcurrencyKey != "":
				if j.Slot != -1 {
					t.Fatal("the slot of a concurrency key was changed")
				}
			case j.Slot < 1 || j.Slot > j.QueueSlots:
				t.Fatalf("slot %d of %d", j.Slot, j.QueueSlots)
			case j.QueueID == 1:
				per[j.Slot]++
			}
		}
		share := (n - keyed + slots - 1) / slots
		most := share
		if share > 50 { // more than one run each, the last of which not all have
			most = (share + 49) / 50 * 50
		}
		for slot, got := range per {
			if got > most {
				t.Fatalf("slot %d got %d of %d jobs for %d slots, at most %d is its share", slot, got, n-keyed, slots, most)
			}
		}
	})
}

func TestNeighboursInABatchShareASlotAndALargeOneKeepsRoughlyItsOrder(t *testing.T) {
	jobs := make([]*job.Job, 10_000)
	for i := range jobs {
		jobs[i] = &job.Job{QueueID: 1, QueueSlots: 24}
	}
	job.DealBatch(jobs[:1000])
	runs := 1
	for i := range jobs[1:1000] {
		if jobs[i].Slot != jobs[i+1].Slot {
			runs++
		}
	}
	if runs != 24 {
		t.Errorf("1,000 jobs stand in %d runs, want one for each of the 24 slots", runs)
	}
	job.DealBatch(jobs)
	seen := map[int]int{}
	for i, j := range jobs {
		if ahead := i - 24*seen[j.Slot]; ahead > 24*50 || ahead < -24*50 {
			t.Fatalf("job %d is the %dth of its slot", i, seen[j.Slot])
		}
		seen[j.Slot]++
	}
}

func TestNoSlotHasASecondRunBeforeAllHaveHadOne(t *testing.T) {
	var d job.Dealer
	for round := range 5 {
		seen := map[int]bool{}
		for range 6 {
			jobs := make([]*job.Job, 4)
			for i := range jobs {
				jobs[i] = &job.Job{QueueID: 1, QueueSlots: 12}
			}
			d.Deal(jobs, func(int32, int) int { return 2 })
			for i, j := range jobs {
				if first := i%2 == 0; seen[j.Slot] == first || !first && jobs[i-1].Slot != j.Slot {
					t.Fatalf("round %d: slots %d, %d, %d, %d after %v", round, jobs[0].Slot, jobs[1].Slot, jobs[2].Slot, jobs[3].Slot, seen)
				}
				seen[j.Slot] = true
			}
		}
	}
}
