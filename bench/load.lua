-- One kind of work for wrk, as a loop over the caller's todos:
--   wrk ... URL -- <method> <path> <todos> <key> <body or nothing> <If-Match or nothing>
-- Prints the result as one line of JSON.

local method, path, todos, body, match
local id, version = -1, 1
local headers = {}

function init(args)
  method, path, todos, body, match = args[1], args[2], tonumber(args[3]), args[5], args[6]
  headers["Authorization"] = "Bearer " .. args[4]
  if body == "" then body = nil else headers["Content-Type"] = "application/json" end
end

local function fill(text)
  return (text:gsub("{(%w+)}", { id = math.max(id, 1), version = version }))
end

-- Each pass over the todos changes each one once, so its version is the number of the pass. There
-- are far more of them than connections: a request has its answer long before its todo's next turn.
-- wrk looks at one request before the first and does not send it, so the count begins one early.
function request()
  id = id + 1
  if id > todos then
    id, version = 1, version + 1
  end
  if match ~= "" then headers["If-Match"] = fill(match) end
  return wrk.format(method, fill(path), headers, body and fill(body))
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"failed":%d,"p50":%.3f,"p99":%.3f}\n',
    summary.requests, summary.duration / 1e6,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
