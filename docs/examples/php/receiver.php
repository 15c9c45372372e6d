<?php
// Receives jobs as POSTs that are signed as Standard Webhooks says. Try it with
//
//   HOOK_SECRET=whsec_… php -S 127.0.0.1:9001 docs/examples/php/receiver.php

function answer(int $status, mixed $body): never
{
    http_response_code($status);
    header('Content-Type: application/json');
    echo json_encode($body);
    exit;
}

function genuine(string $body): bool
{
    $id = $_SERVER['HTTP_WEBHOOK_ID'] ?? '';
    $time = $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '';
    if (abs(time() - (int) $time) > 300) {
        return false; // an old request, sent again by somebody who has seen it
    }
    $key = base64_decode(substr(getenv('HOOK_SECRET'), strlen('whsec_')));
    $want = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$time.$body", $key, true));
    foreach (explode(' ', $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '') as $signature) {
        if (hash_equals($want, $signature)) {
            return true; // one of several, while the secret is being changed
        }
    }
    return false;
}

$body = file_get_contents('php://input');
if (!genuine($body)) {
    answer(401, 'the signature is not ours');
}
$mail = json_decode($body);
if (!isset($mail->to)) {
    answer(422, 'there is no address in "to"'); // no retry can help: the job is discarded
}
// The same webhook-id may come twice: it is the job's id.
answer(200, ['sent' => $mail->to, 'message_id' => $_SERVER['HTTP_WEBHOOK_ID']]);
