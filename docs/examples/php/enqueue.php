<?php
// Adds a job from PHP 8, without a library. From a shell:
//
//   php docs/examples/php/enqueue.php mail.send '{"to": "ada@example.org"}'

/** Returns the job's id as soon as the job is stored; $options are further fields, such as ['queue' => 'mail']. */
function enqueue(string $kind, mixed $payload, array $options = []): string
{
    // The id is made here, so that the job may be sent again after a lost answer: it makes no second one.
    $job = $options + ['id' => uuid(), 'kind' => $kind, 'payload' => $payload];
    $header = ['Content-Type: application/json'];
    if ($token = getenv('SLOTQ_TOKEN')) {
        $header[] = "Authorization: Bearer $token";
    }
    $request = stream_context_create(['http' => [
        'method' => 'POST', 'header' => $header, 'content' => json_encode($job, JSON_THROW_ON_ERROR),
        'timeout' => 10, 'ignore_errors' => true,
    ]]);
    $url = (getenv('SLOTQ_URL') ?: 'http://127.0.0.1:8080') . '/v1/jobs';
    for ($try = 1; ; $try++) {
        $answer = @file_get_contents($url, false, $request);
        $status = $answer === false ? 0 : (int) substr($http_response_header[0], 9, 3);
        if ($status === 200 || $status === 201) {
            return json_decode($answer)->id ?? $job['id'];
        }
        $mayPass = $status === 0 || $status >= 500 || $status === 408 || $status === 429;
        if (!$mayPass || $try === 10) {
            throw new RuntimeException("slotq: status $status $answer");
        }
        usleep(random_int(500, 1000) * min(2000, 25 * 2 ** $try));
    }
}

/** A UUID of version 7, which begins with the time: lists of jobs are in the order of ids. */
function uuid(): string
{
    $random = bin2hex(random_bytes(10));
    $random[0] = '7';
    $random[4] = '89ab'[random_int(0, 3)];
    return vsprintf('%s%s-%s-%s-%s-%s%s%s', str_split(sprintf('%012x', microtime(true) * 1000) . $random, 4));
}

if (realpath($argv[0] ?? '') === __FILE__) {
    echo enqueue($argv[1], json_decode($argv[2], flags: JSON_THROW_ON_ERROR)), "\n";
}
