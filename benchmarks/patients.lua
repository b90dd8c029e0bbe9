-- wrk's script: posts the bodies of a file, one a line, in turn, and prints what was measured as JSON.
--
-- wrk --script patients.lua URL -- bodies.txt

local requests = {}
local sent = 0

function init(arguments)
  for body in io.lines(arguments[1]) do
    local headers = { ["content-type"] = "application/json" }
    requests[#requests + 1] = wrk.format("POST", nil, headers, body)
  end
end

function request()
  sent = sent + 1
  return requests[sent % #requests + 1]
end

-- wrk counts in microseconds.
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"answers": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "lost": %d, "refused": %d}\n',
    summary.requests,
    summary.duration / 1e6,
    latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.timeout,
    errors.status
  ))
end
