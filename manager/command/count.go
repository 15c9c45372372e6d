package command

import (
	"strconv"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// countLimit is how long a command may count: with thousands of slots the rest stays open rather than making an
// operator wait.
const countLimit = 5 * time.Second

// counted is what was found in a slot or a queue: exact, unless it is a lower bound.
type counted struct {
	job.Count
	least bool // there is more: a slot was counted up to store.CountRows only, or not at all
}

// countSlot counts a slot up to one piece; no piece after the end of the time.
func (c *call) countSlot(s job.Slot, end time.Time) (counted, error) {
	n := counted{}
	if !time.Now().Before(end) {
		n.least = true
		return n, nil
	}
	counts, next, err := c.store.Count(c.ctx, s, job.Position{}, c.now)
	for _, k := range counts {
		n.Add(k)
	}
	n.least = next != nil
	return n, err
}

// countQueue adds its slots up.
func (c *call) countQueue(queueID int32, end time.Time) (counted, error) {
	rows, err := c.store.Slots(c.ctx, queueID)
	if err != nil {
		return counted{}, err
	}
	return c.countRows(rows, end)
}

func (c *call) countRows(rows []job.SlotRow, end time.Time) (counted, error) {
	sum := counted{}
	for _, row := range rows {
		n, err := c.countSlot(row.Slot, end)
		if err != nil {
			return sum, err
		}
		sum.add(n)
	}
	return sum, nil
}

func (n *counted) add(o counted) {
	n.Add(o.Count)
	n.least = n.least || o.least
}

// show is a figure of n, with a + when there may be more.
func (n *counted) show(figure int64) string {
	if n.least {
		return strconv.FormatInt(figure, 10) + "+"
	}
	return strconv.FormatInt(figure, 10)
}
