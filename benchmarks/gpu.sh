#!/usr/bin/env bash
# Everything that needs an NVIDIA GPU: the tests, TensorRT's variants, the speed of the engines and of the server.
#   benchmarks/gpu.sh                            # the shipped example, its pictures
#   benchmarks/gpu.sh BUNDLE GOOD [DEFECTS]      # another bundle, with folders of pictures
# It needs the driver, Python 3.11 or later and pip, and makes a virtual environment of its own in out/gpu. Into one that
# is there, which GPU_VENV names, it installs nothing: Takt itself must be in it, and what is in its file gpu.env is set.
# The report is out/gpu-report.txt, the figures are out/gpu-*.json; the bundle is copied, never changed. It goes on after
# a failure and ends with status 1 if there was one; after 20 minutes it ends, and says what was left out.
set -euo pipefail
if [[ $# -eq 1 || $# -gt 3 ]]; then
  echo "usage: $0 [BUNDLE GOOD [DEFECTS]]" >&2
  exit 2
fi
root=$(cd "$(dirname "$0")/.." && pwd)
bundle=$(realpath "${1:-$root/examples/models/pitting/1}")
good=$(realpath "${2:-$root/examples/pictures/good}")
defects=${3:+$(realpath "$3")}
if [[ $# -eq 0 ]]; then defects=$root/examples/pictures/pitting; fi
venv=$(realpath -m "${GPU_VENV:-$root/out/gpu/venv}")
cd "$root"

report=out/gpu-report.txt
copy=out/gpu/models/$(basename "$(dirname "$bundle")")/$(basename "$bundle")
random=out/gpu/random/inpformer-b/1
failed=0

command -v nvidia-smi > /dev/null || {
  echo "there is no nvidia-smi: this host has no NVIDIA driver" >&2
  exit 2
}
mkdir -p out/gpu
if [[ -z ${GPU_VENV:-} || ! -e $venv ]]; then
  [[ -x $venv/bin/python ]] || "${PYTHON:-python3}" -m venv "$venv"
  "$venv/bin/python" .ci/install.py './service[gpu,tensorrt]' './export[train]' ./models --group dev
elif [[ ! -x $venv/bin/takt ]]; then
  echo "$venv has no takt: $venv/bin/python -m pip install --no-deps --no-build-isolation -e ./service -e ./export -e ./models" >&2
  exit 2
fi
if [[ -e $venv/gpu.env ]]; then
  # shellcheck disable=SC1091
  . "$venv/gpu.env"
fi
# `takt bench` is the generator.
export PYTHONPATH=$root/clients/python/src${PYTHONPATH:+:$PYTHONPATH}
rm -rf "$copy" "$random"
mkdir -p "$(dirname "$copy")"
cp -r "$bundle" "$copy"

try() {
  echo
  echo "== $*"
  local status=0 left=$((1200 - SECONDS))
  if [[ $left -le 0 ]]; then
    echo "!! left out: 20 minutes are over"
    failed=1
    return
  fi
  timeout --kill-after 10 "$left" "$@" || status=$?
  if [[ $status -ne 0 ]]; then
    failed=1
    echo "!! failed with status $status"
  fi
}

run_all() {
  date -u '+%Y-%m-%dT%H:%M:%SZ'
  nvidia-smi --query-gpu=name,compute_cap,driver_version,memory.total --format=csv
  "$venv/bin/python" - << 'VERSIONS'
import re
from importlib.metadata import distributions, requires
shown = ("takt", "onnxruntime", "tensorrt", "nvidia", "torch", "numpy")
found = {re.sub("[-_.]+", "-", one.metadata["Name"]).lower(): one.version for one in distributions()}
print(*(f"{name} {found[name]}" for name in sorted(found) if name.startswith(shown)), sep="\n")
wanted = [re.match("[a-z-]+", one)[0] for one in requires("takt-inspection") if "extra ==" not in one]
if lacking := [name for name in wanted if name not in found]:
    print("!! this environment lacks", *lacking)
VERSIONS
  local with_tensorrt=true precision cuts=() variants=cuda
  local options=(--good "$good" --timing-cache out/gpu/timed --quiet)
  local with_defects=("${options[@]}")
  if [[ -n $defects ]]; then with_defects+=(--defects "$defects"); fi
  try "$venv/bin/takt" doctor --require cuda
  "$venv/bin/takt" doctor --require tensorrt > /dev/null 2>&1 || with_tensorrt=false
  if ! $with_tensorrt; then
    echo "TensorRT cannot run here, as takt doctor says: it is left out"
    cuts=(-k "not tensorrt")
    [[ -n ${GPU_VENV:-} ]] || failed=1
  fi
  try "$venv/bin/python" -m benchmarks.random_bundle inpformer-b "$random"
  serve cuda
  # Without the project's configuration, which takes plugins that an environment handed over may lack.
  try "$venv/bin/python" -m pytest -c /dev/null --rootdir . --import-mode importlib -q --tb short -m gpu tests/gpu "${cuts[@]}"
  if $with_tensorrt; then
    try "$venv/bin/takt" export tensorrt "$copy" --precision fp16 "${with_defects[@]}"
    # Random weights drift further than trained ones.
    try "$venv/bin/takt" export tensorrt "$random" --precision fp16 "${options[@]}" --allow-drift 1000
    serve tensorrt-fp16
    for precision in fp32 bf16 int8; do
      try "$venv/bin/takt" export tensorrt "$copy" --precision "$precision" "${with_defects[@]}"
    done
    variants=cuda,tensorrt-fp32,tensorrt-fp16,tensorrt-bf16,tensorrt-int8
  fi
  try "$venv/bin/python" -m benchmarks.engines "$copy" --gpu --engines "$variants" --images "$good" \
    --batch-sizes 1,2,4,8,16 --rounds 3 --seconds 1 --json out/gpu-engines.json
}

# Both models in an engine, then through a server.
serve() {
  try "$venv/bin/python" -m benchmarks.gpu_server "$copy" "$random" --images "$good" \
    --engines "$1" --json "out/gpu-server-$1.json"
}

run_all > >(tee "$report") 2>&1
wait
echo "the report is $report"
exit "$failed"
