/**
 * The first screen of the document: what all operations share, each with a line that works as it
 * stands once the two variables are set.
 */
export const introduction = `\
Todos for people who teach: a roster of students, and what is to be done for whom, until when.

What all operations share stands here. The examples use two variables:

\`\`\`sh
API=http://127.0.0.1:8000
KEY=slate_live_...
\`\`\`

## Keys

Every operation but those under Health needs an API key, sent as \`Authorization: Bearer <key>\`. Its
scope is \`read\`, \`write\` or \`admin\`; each includes the ones before it. A missing, wrong, expired or
revoked key is always the same 401, and a scope that is too narrow is 403. What belongs to another
user is not there for you: 404.

\`\`\`sh
curl -i "$API/api/me" -H "authorization: Bearer $KEY"
\`\`\`

## Problems

Every error is \`application/problem+json\` (RFC 9457). Branch on its \`code\`, which is permanent;
\`title\` and \`detail\` are for people. \`errors\` names each field by a JSON \`pointer\`, or the
\`parameter\`. \`request_id\` is the header \`X-Request-Id\` as well; name it in a report.

\`\`\`sh
curl -i "$API/api/todos?limit=1000" -H "authorization: Bearer $KEY"
\`\`\`

## Pages

A list is \`{ "data": [...], "next_cursor": "..." }\`. Send the cursor back with the same filters and
sort, or follow the \`Link\` header. On the last page \`next_cursor\` is null. Rows that others add
meanwhile move nothing: no row comes twice and none is missed. There are no totals.

\`\`\`sh
curl -i "$API/api/todos?completed=false&sort=-due_date&limit=50" -H "authorization: Bearer $KEY"
\`\`\`

## If-Match: change what you have seen

Every row has an \`ETag\`. With it in \`If-Match\` a PATCH or DELETE is done only if nobody has changed
the row since; otherwise it is 412 and nothing happens. In \`If-None-Match\` it makes a GET of an
unchanged row a short 304. A PATCH is a merge patch: what is left out stays, null clears.

\`\`\`sh
curl -i -X PATCH "$API/api/todos/1" -H "authorization: Bearer $KEY" -H 'if-match: "1"' -H 'content-type: application/json' -d '{"completed":true}'
\`\`\`

## Idempotency-Key: send it again

Every POST takes an \`Idempotency-Key\` of your choice. The same key with the same body within 24 hours
does nothing new and gets the first answer, with \`Idempotent-Replayed: true\`. With another body it is 422.

\`\`\`sh
curl -i "$API/api/todos" -H "authorization: Bearer $KEY" -H "idempotency-key: essays-2030" -H 'content-type: application/json' -d '{"description":"Mark the essays"}'
\`\`\`

## Limits

A body has at most 64 KiB. A request that takes too long is 504. \`RateLimit\` says how many requests
are left (\`r\`) for how many seconds (\`t\`), and \`RateLimit-Policy\` how many there are in all; then it is
429. Wait the seconds of \`Retry-After\` after a 429, 503 or 504. A GET, and a POST with an
\`Idempotency-Key\`, may then be sent again.

\`\`\`sh
curl -i --head "$API/api/me" -H "authorization: Bearer $KEY"
\`\`\`
`;
