package main

import "strings"

// promises is how many the design makes.
const promises = 10

// defect is a planted one: which promise it breaks, and the test that has to find it.
type defect struct {
	name    string // as in SLOTQ_MUTANT
	promise int    // 0 = a sentence of the contract alone
	pkg     string
	test    string
}

const (
	sqlite   = "shared/store/sqlite"
	postgres = "shared/store/postgres" // for what happens between a store and a server
	executor = "worker/executor"
)

// conformance is a test of the suite.
func conformance(group, name string) string {
	return "TestConformance/" + group + "/" + strings.ReplaceAll(name, " ", "_")
}

// defects has at least one for each promise. Of promise 9 this is the half that is about run_at.
var defects = []defect{
	{"enqueue_before_commit", 1, sqlite, conformance("enqueue", "what was answered is there for another process")},
	{"prune_all_history", 1, sqlite, conformance("prune", "history stays for its retention and goes after it")},
	{"enqueue_compacts_payload", 2, sqlite, conformance("payload", "a payload arrives byte for byte through every stage of a job's life")},
	{"claim_takes_held", 2, sqlite, conformance("payload", "nothing runs that nobody enqueued")},
	{"enqueue_skips_history", 3, sqlite, conformance("enqueue", "an id sent again after its job finished makes no second one")},
	{"enqueue_skips_history", 3, postgres, conformance("commit", "an enqueue whose answer is lost while its job runs and ends makes no second run")},
	{"idempotency_last_wins", 3, sqlite, conformance("idempotency", "one key from 8 at once makes one job")},
	{"claim_without_token", 4, postgres, conformance("fence", "with the fence broken on purpose the token keeps jobs from running twice")},
	{"claim_takes_held", 4, sqlite, conformance("claim", "no job is held by two tokens with 8 claimers on one slot")},
	{"claim_by_the_dead", 4, sqlite, conformance("claim", "a worker that is dead or unknown gets nothing but an error")},
	{"hint_ignores_ids", 4, sqlite, conformance("many", "when one of many jobs was ended before, the others end and it stays as it was")},
	{"hint_ignores_ids", 4, postgres, conformance("many", "jobs end as themselves wherever their rows lie by then")},
	{"hint_ignores_ids", 4, postgres, conformance("many", "jobs of several claims end as themselves wherever their rows lie by then")},
	{"finish_without_token", 4, sqlite, conformance("finish", "an outcome of a lost job is dropped, whoever holds the job now")},
	{"rescue_by_id", 4, sqlite, conformance("rescue", "a rescue touches only jobs that still carry the claim's token")},
	{"shim_outlives_lease", 5, executor, "TestFrozenWorkerChildDiesBeforeLeaseEnd"},
	{"crash_not_counted", 6, sqlite, conformance("rescue", "later crashes wait, and the last one allowed discards")},
	{"attempt_not_counted", 6, sqlite, conformance("finish", "a failure counts an attempt, keeps its error and waits")},
	{"neighbours_counted", 6, sqlite, conformance("rescue", "neighbours of a suspect count no crash")},
	{"finish_believes_history", 7, sqlite, conformance("finish", "a second outcome of the same token changes nothing")},
	{"cancel_ignored_by_fail", 7, sqlite, conformance("cancel", "a job that was asked to cancel ends cancelled however its run ends")},
	{"orphans_only_of_the_dead", 8, sqlite, conformance("rescue", "claims of a worker without a row are orphans")},
	{"claim_not_looked_for", 8, postgres, conformance("commit", "a claim whose answer is lost is found, not made twice")},
	{"run_at_ignored", 9, sqlite, conformance("claim", "nothing starts before its run_at, to the microsecond")},
	{"limit_not_tested", 10, sqlite, conformance("keys", "at most limit jobs of a key run, in the order of their making")},
	{"key_kept_when_put_back", 10, sqlite, conformance("keys", "a crash gives the place away and keeps the limit")},
	{"limit_not_tested", 10, sqlite, conformance("load", "keys keep their limits through crashes, retries and resizes, and no job is stuck")},
	{"pause_not_in_the_fence", 0, sqlite, conformance("pause", "a paused queue hands out nothing until it is resumed")},
	{"action_step_not_compared", 0, sqlite, conformance("action", "8 managers that carry out one action at once do nothing twice")},
	{"stored_claim_by_the_dead", 4, sqlite, conformance("enqueue_claimed", "a worker that is dead, quiet or unknown gets nothing: the jobs are stored and free")},
	{"stored_claim_overtakes", 0, sqlite, conformance("enqueue_claimed", "what is due and free in the slot goes first: the jobs are stored behind it")},
	{"output_kept_by_a_stub", 0, sqlite, conformance("outputs", "what retention 0 leaves of a job has no output")},
	{"unique_key_not_freed", 0, sqlite, conformance("unique", "every end of a job frees its unique_key")},
	{"revoked_token_lives", 0, sqlite, conformance("api_tokens", "a revoked token stays, and says when it was revoked first")},
	{"tombstones_all_go", 0, sqlite, conformance("api_tokens", "once there was a token there always is, whatever becomes of it")},
	{"report_taken_twice", 0, "shared/store/sqlstore", "TestAReportThatAnotherManagerHasTakenMeanwhileIsNotAddedAgain"},
	{"report_ignores_taken", 0, sqlite, conformance("stats", "of a report whose first part was taken meanwhile only the rest is added")},
	{"limits_ignored", 0, executor, "TestJobOverItsMemoryLimitIsKilledAndSaysSo"},
	{"address_unchecked", 0, executor, "TestNoSpellingOfAPrivateAddressIsCalled"},
	{"address_unchecked", 0, executor, "TestANameThatChangesItsAddressReachesOnlyPublicOnes"},
	{"answer_told", 0, executor, "TestNothingThatATargetSaysIsInTheMessageOfAnError"},
}
