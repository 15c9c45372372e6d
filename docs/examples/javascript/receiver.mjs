// Receives jobs as POSTs that are signed as Standard Webhooks says. Try it with
//
//   HOOK_SECRET=whsec_… node docs/examples/javascript/receiver.mjs 9003

import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'

function genuine(headers, body) {
  const { 'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': signatures = '' } = headers
  if (!(Math.abs(Date.now() / 1000 - Number(time)) <= 300)) {
    return false // an old request, sent again by somebody who has seen it
  }
  const key = Buffer.from(process.env.HOOK_SECRET.replace(/^whsec_/, ''), 'base64')
  const want = Buffer.from('v1,' + createHmac('sha256', key).update(`${id}.${time}.`).update(body).digest('base64'))
  return signatures.split(' ').some((one) => { // one of several, while the secret is being changed
    const got = Buffer.from(one)
    return got.length === want.length && timingSafeEqual(got, want)
  })
}

createServer(async (request, response) => {
  const answer = (status, body) => response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  const body = Buffer.concat(chunks)
  if (!genuine(request.headers, body)) return answer(401, 'the signature is not ours')
  const mail = JSON.parse(body)
  if (mail.to === undefined) return answer(422, 'there is no address in "to"') // no retry can help: the job is discarded
  // The same webhook-id may come twice: it is the job's id.
  answer(200, { sent: mail.to, message_id: request.headers['webhook-id'] })
}).listen(Number(process.argv[2]), '127.0.0.1')
