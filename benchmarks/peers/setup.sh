#!/usr/bin/env bash
# wrk, and one virtual environment for the control and each peer.
#   setup.sh              all of them
#   setup.sh mosec        one of them
# They go to out/peers/venvs of the checkout, or where BENCH_VENVS says.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
venvs=${BENCH_VENVS:-$root/out/peers/venvs}
common=(onnxruntime==1.32.0 opencv-python-headless==5.0.0.93 numpy==2.4.6)

make_venv() {
  local name=$1
  shift
  python3.11 -m venv "$venvs/$name"
  "$venvs/$name/bin/pip" install --quiet "$@"
}

make_one() {
  case $1 in
    control)  make_venv control "${common[@]}" fastapi==0.165.0 'uvicorn[standard]==0.54.0' ;;
    litserve) make_venv litserve "${common[@]}" litserve==0.2.19 ;;
    mosec)    make_venv mosec "${common[@]}" mosec==0.9.8 ;;
    ray)      make_venv ray "${common[@]}" 'ray[serve]==2.60.0' ;;
    bentoml)  make_venv bentoml "${common[@]}" bentoml==1.4.40 ;;
    # It needs numpy < 2, hence OpenCV 4; with a newer numpy pip falls back to a release of 2024.
    pytriton) make_venv pytriton onnxruntime==1.32.0 opencv-python-headless==4.11.0.86 \
                numpy==1.26.4 nvidia-pytriton==0.7.0 ;;
    *)        echo "no peer is called $1" >&2; exit 2 ;;
  esac
}

if ! command -v wrk >/dev/null; then
  apt-get update --quiet
  apt-get install --yes --quiet wrk
fi
if [ $# = 0 ]; then
  set -- control litserve mosec ray bentoml pytriton
fi
for name in "$@"; do
  echo "== $name"
  make_one "$name"
done
