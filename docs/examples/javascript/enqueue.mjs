// Adds a job from JavaScript: Node 18 or newer, without a library. From a shell:
//
//   node docs/examples/javascript/enqueue.mjs mail.send '{"to": "ada@example.org"}'

import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'

// Returns the job's id as soon as the job is stored; options are further fields, such as {queue: 'mail'}.
export async function enqueue(kind, payload, options = {}) {
  const url = (process.env.SLOTQ_URL ?? 'http://127.0.0.1:8080') + '/v1/jobs'
  const headers = { 'Content-Type': 'application/json' }
  if (process.env.SLOTQ_TOKEN) headers.Authorization = 'Bearer ' + process.env.SLOTQ_TOKEN
  // The id is made here, so that the job may be sent again after a lost answer: it makes no second one.
  const body = JSON.stringify({ id: newID(), kind, payload, ...options })
  for (let attempt = 1; ; attempt++) {
    let status, answer
    try {
      const response = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(10_000) })
      status = response.status
      answer = await response.text()
      if (response.ok) return JSON.parse(answer).id
    } catch (error) {
      status = 0
      answer = String(error.cause ?? error)
    }
    const mayPass = status === 0 || status >= 500 || status === 408 || status === 429
    if (!mayPass || attempt === 10) throw new Error(`slotq: status ${status} ${answer}`)
    await sleep((0.5 + Math.random() / 2) * Math.min(2000, 25 * 2 ** attempt))
  }
}

// A UUID of version 7, which begins with the time: lists of jobs are in the order of ids.
function newID() {
  const time = Date.now().toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(await enqueue(process.argv[2], JSON.parse(process.argv[3])))
}
