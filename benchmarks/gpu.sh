#!/usr/bin/env bash
# Everything that needs an NVIDIA GPU: the tests, TensorRT's variants and the engines' speed.
#   benchmarks/gpu.sh                            # the shipped example, its pictures
#   benchmarks/gpu.sh BUNDLE GOOD [DEFECTS]      # another bundle, with folders of pictures
# It needs the driver, Python 3.11 or later and pip, and makes a virtual environment of its own in
# out/gpu, or where GPU_VENV says. The report is out/gpu-report.txt; the bundle is copied, never
# changed. It goes on after a failure and ends with status 1 if there was one.
set -euo pipefail
if [[ $# -eq 1 || $# -gt 3 ]]; then
  echo "usage: $0 [BUNDLE GOOD [DEFECTS]]" >&2
  exit 2
fi
root=$(cd "$(dirname "$0")/.." && pwd)
bundle=$(realpath "${1:-$root/examples/models/pitting/1}")
good=$(realpath "${2:-$root/examples/pictures/good}")
defects=${3:-}
if [[ $# -eq 0 ]]; then defects=$root/examples/pictures/pitting; fi
cd "$root"

venv=${GPU_VENV:-out/gpu/venv}
report=out/gpu-report.txt
copy=out/gpu/models/$(basename "$(dirname "$bundle")")/$(basename "$bundle")
failed=0

command -v nvidia-smi > /dev/null || {
  echo "there is no nvidia-smi: this host has no NVIDIA driver" >&2
  exit 2
}
mkdir -p out/gpu
[[ -x $venv/bin/python ]] || "${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/pip" install --quiet --editable '.[gpu,tensorrt,export,dev]'
rm -rf "$copy"
mkdir -p "$(dirname "$copy")"
cp -r "$bundle" "$copy"

try() {
  echo
  echo "== $*"
  local status=0
  "$@" || status=$?
  if [[ $status -ne 0 ]]; then
    failed=1
    echo "!! failed with status $status"
  fi
}

run_all() {
  date -u '+%Y-%m-%dT%H:%M:%SZ'
  nvidia-smi --query-gpu=name,compute_cap,driver_version,memory.total --format=csv
  "$venv/bin/pip" list 2> /dev/null | grep -iE '^(takt|onnxruntime|tensorrt|nvidia|torch|numpy)' || true
  try "$venv/bin/takt" doctor
  try "$venv/bin/python" -m pytest -q -m gpu tests/gpu
  local precision options=(--good "$good" --timing-cache out/gpu/timed --quiet)
  if [[ -n $defects ]]; then options+=(--defects "$defects"); fi
  for precision in fp32 fp16 bf16 int8; do
    try "$venv/bin/takt" export tensorrt "$copy" --precision "$precision" "${options[@]}"
  done
  try "$venv/bin/python" -m benchmarks.engines "$copy" --gpu --images "$good" \
    --batch-sizes 1,2,4,8,16 --json out/engines-gpu.json
}

run_all > >(tee "$report") 2>&1
wait
echo "the report is $report"
exit "$failed"
