-- wrk's script: POST a JPEG, each time with another comment inside, so that no two are the same file.
-- REJECTS of 100 requests ask with a threshold that every score exceeds, the others with one that none does.
local file = assert(io.open(os.getenv("PICTURE"), "rb"))
local picture = file:read("*a")
file:close()
local rejects = tonumber(os.getenv("REJECTS"))
local start, rest = picture:sub(1, 2), picture:sub(3)
math.randomseed(os.time())
local thread, number = math.random(1e9), 0

wrk.method = "POST"
wrk.headers["Content-Type"] = "image/jpeg"

function request()
  number = number + 1
  local comment = string.format("\255\254\0\34%016d%016d", thread, number)
  local threshold = (number * rejects) % 100 < rejects and "-1e9" or "1e9"
  return wrk.format(nil, wrk.path .. "?threshold=" .. threshold, nil, start .. comment .. rest)
end

function done(summary, latency, requests)
  local errors = summary.errors
  print(string.format('@@{"requests":%d,"run_s":%.6f,"p50_ms":%.4f,"p99_ms":%.4f,"failed":%d}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
