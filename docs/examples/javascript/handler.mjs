// A handler in JavaScript: a process for each job, the payload on standard input. In worker.yaml:
//
//   mail.send:
//     exec: [node, docs/examples/javascript/handler.mjs]

import { readFileSync } from 'node:fs'

const mail = JSON.parse(readFileSync(0, 'utf8'))
if (mail.to === undefined) {
  console.error('the payload has no address in "to"') // the end of this goes into the job's errors
  process.exit(100) // no retry can help: the job is discarded. 75 would be: not now, run it again later; that is no failure
}

// A worker may die after the mail was sent and before it could say so; the job then runs again. Hand its id on to whatever
// can tell that it has seen it before.
const id = process.env.SLOTQ_JOB_ID

console.log(JSON.stringify({ sent: mail.to, message_id: id, attempt: Number(process.env.SLOTQ_ATTEMPT) }))
// The exit status is 0: completed. What was printed is the job's output. An exception would end with 1: a failure.
