#!/usr/bin/env bash
# Build Triton's backend for ONNX Runtime, for the CPU and for the Triton of pytriton 0.7 (2.51, which is 24.10):
#   tests/triton/build_onnxruntime.sh FOLDER
#   TRITON_ONNXRUNTIME=FOLDER/libtriton_onnxruntime.so make test-triton
# It needs git, g++ and Debian's packages libonnxruntime-dev and rapidjson-dev, and takes a minute.
set -euo pipefail
release=r24.10 from=${TRITON_SOURCES:-https://github.com/triton-inference-server}
mkdir -p "$1" && cd "$1"
for part in onnxruntime_backend backend core common; do
    [ -d "$part" ] || git clone --quiet --depth 1 --branch "$release" "$from/$part" "$part"
done
# What its CMake files do without a GPU; these would fetch everything themselves.
for file in onnxruntime_backend/src/*.cc backend/src/backend_*.cc common/src/{error,async_work_queue,thread_pool}.cc; do
    g++ -std=c++17 -O2 -fPIC -DTRITON_ENABLE_STATS=1 -I/usr/include/onnxruntime -Ionnxruntime_backend/src \
        -Ibackend/include -Ibackend/src -Icore/include -Icommon/include -c "$file" -o "$(basename "$file").o"
done
g++ -shared -Wl,--version-script=onnxruntime_backend/src/libtriton_onnxruntime.ldscript \
    -o libtriton_onnxruntime.so ./*.o -lonnxruntime -lpthread
