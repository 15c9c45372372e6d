<?php
// A handler in PHP: a process for each job, the payload on standard input. In worker.yaml:
//
//   mail.send:
//     exec: [php, docs/examples/php/handler.php]

$mail = json_decode(stream_get_contents(STDIN));
if (!isset($mail->to)) {
    fwrite(STDERR, "the payload has no address in \"to\"\n"); // the end of this goes into the job's errors
    exit(100); // no retry can help: the job is discarded. 75 would be: not now, run it again later; that is no failure
}

// A worker may die after the mail was sent and before it could say so; the job then runs again. Hand its id on to whatever
// can tell that it has seen it before.
$id = getenv('SLOTQ_JOB_ID');

echo json_encode(['sent' => $mail->to, 'message_id' => $id, 'attempt' => (int) getenv('SLOTQ_ATTEMPT')]);
// The exit status is 0: completed. What was printed is the job's output. An exception would end with 255: a failure.
