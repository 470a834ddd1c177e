// Ask a running Takt server about pictures, one after another.
//
//     cmake -B build && cmake --build build
//     build/inspect http://127.0.0.1:8000 pitting part1.jpg part2.jpg
//
// Needs libcurl and nlohmann/json: on Debian, libcurl4-openssl-dev and nlohmann-json3-dev.
// A server with API keys takes the one in the environment's TAKT_KEY; --cafile names the authority
// that signed its certificate.
//
// Exit codes: 0 every part is good, 1 at least one is anomalous or undecided, 2 not every picture was
// answered.

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <curl/curl.h>
#include <nlohmann/json.hpp>

namespace {

using nlohmann::json;

constexpr long kConnectTimeoutMs = 5'000;
constexpr long kTimeoutMs = 30'000;
constexpr long kOk = 200;

enum ExitCode { kGood = 0, kAnomalous = 1, kFailed = 2 };

struct Arguments {
  std::string url;
  std::string model;
  std::string cafile;
  std::vector<std::string> pictures;
};

// A picture that was not answered; the next one may be.
struct PictureError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Answer {
  long status = 0;
  std::string body;
};

using Curl = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
using Headers = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw PictureError("it cannot be opened");
  std::string data{std::istreambuf_iterator<char>(file), {}};
  if (file.bad() || data.empty()) throw PictureError("it cannot be read, or is empty");
  return data;
}

size_t append(char* data, size_t, size_t bytes, void* body) {
  static_cast<std::string*>(body)->append(data, bytes);
  return bytes;
}

// The headers of every request; the key is for the server alone, and is never printed.
Headers request_headers() {
  Headers headers(nullptr, curl_slist_free_all);
  std::vector<std::string> lines{"Content-Type: application/octet-stream", "Expect:"};
  if (const char* key = std::getenv("TAKT_KEY"); key != nullptr && *key != '\0') {
    const std::string text(key);
    // What ends a line would end the header.
    lines.push_back("Authorization: Bearer " + text.substr(0, text.find_first_of("\r\n")));
  }
  for (const std::string& line : lines) {
    curl_slist* longer = curl_slist_append(headers.get(), line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    headers.release();
    headers.reset(longer);
  }
  return headers;
}

class Client {
 public:
  explicit Client(const Arguments& arguments)
      : curl_(curl_easy_init(), curl_easy_cleanup), headers_(request_headers()) {
    if (!curl_) throw std::runtime_error("libcurl cannot be started");
    std::unique_ptr<char, decltype(&curl_free)> model(
        curl_easy_escape(curl_.get(), arguments.model.c_str(), 0), curl_free);
    if (!model) throw std::bad_alloc();
    url_ = arguments.url + "/v1/models/" + model.get() + "/inspect";
    // One handle for all pictures, so that the connection stays open. Redirects are not followed.
    set(CURLOPT_URL, url_.c_str());
    set(CURLOPT_HTTPHEADER, headers_.get());
    set(CURLOPT_WRITEFUNCTION, append);
    set(CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
    set(CURLOPT_TIMEOUT_MS, kTimeoutMs);
    set(CURLOPT_NOSIGNAL, 1L);
    if (!arguments.cafile.empty()) set(CURLOPT_CAINFO, arguments.cafile.c_str());
  }

  Answer inspect(const std::string& picture) {
    Answer answer;
    set(CURLOPT_POSTFIELDS, picture.data());
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(picture.size()));
    set(CURLOPT_WRITEDATA, &answer.body);
    if (const CURLcode code = curl_easy_perform(curl_.get()); code != CURLE_OK) {
      throw std::runtime_error("no answer from " + url_ + ": " + curl_easy_strerror(code));
    }
    curl_easy_getinfo(curl_.get(), CURLINFO_RESPONSE_CODE, &answer.status);
    return answer;
  }

 private:
  template <typename Value>
  void set(CURLoption option, Value value) {
    if (const CURLcode code = curl_easy_setopt(curl_.get(), option, value); code != CURLE_OK) {
      throw std::runtime_error(curl_easy_strerror(code));
    }
  }

  Curl curl_;
  Headers headers_;
  std::string url_;
};

// Why a picture was refused: a problem with a code and a detail that says what to do.
std::string problem_of(const Answer& answer) {
  const json problem = json::parse(answer.body, nullptr, false);
  if (!problem.is_object() || !problem.contains("code")) {
    return "HTTP " + std::to_string(answer.status) + " of something that is not Takt";
  }
  return problem.value("code", "") + " (" + std::to_string(answer.status) + "): " +
         problem.value("detail", "");
}

// Prints the verdict, why it is undecided, and each defect's place; a field that is missing or of
// another type throws. Servers before API 2.10 know two verdicts and have no field `undecided`.
bool tell(const std::string& path, const json& found) {
  const bool anomalous = found.at("anomalous").get<bool>();
  const json why = found.value("undecided", json());
  const char* verdict = !why.is_null() ? "undecided" : anomalous ? "anomalous" : "good";
  std::printf("%s: %s, score %.4f of %.4f\n", path.c_str(), verdict,
              found.at("score").get<double>(), found.at("threshold").get<double>());
  if (!why.is_null()) std::printf("    %s\n", why.at("text").get<std::string>().c_str());
  for (const json& region : found.at("regions")) {
    const auto box = region.at("box").get<std::vector<int>>();
    std::printf("    %d x %d px at (%d, %d)\n", box.at(2), box.at(3), box.at(0), box.at(1));
  }
  return anomalous;
}

ExitCode inspect_all(const Arguments& arguments) {
  Client client(arguments);
  ExitCode code = kGood;
  for (const std::string& path : arguments.pictures) {
    try {
      const Answer answer = client.inspect(read_file(path));
      if (answer.status == 401 || answer.status == 403) throw std::runtime_error(problem_of(answer));
      if (answer.status != kOk) throw PictureError(problem_of(answer));
      const bool anomalous = tell(path, json::parse(answer.body));
      if (anomalous && code == kGood) code = kAnomalous;
    } catch (const PictureError& error) {
      std::cerr << path << ": " << error.what() << "\n";
      code = kFailed;
    }
  }
  return code;
}

bool parse(int count, char** words, Arguments* arguments) {
  std::vector<std::string> rest(words + 1, words + count);
  if (rest.size() >= 2 && rest[0] == "--cafile") {
    arguments->cafile = rest[1];
    rest.erase(rest.begin(), rest.begin() + 2);
  }
  if (rest.size() < 3 || rest[0].rfind("http", 0) != 0) return false;
  arguments->url = rest[0].substr(0, rest[0].find_last_not_of('/') + 1);
  arguments->model = rest[1];
  arguments->pictures.assign(rest.begin() + 2, rest.end());
  return true;
}

}  // namespace

int main(int count, char** words) {
  Arguments arguments;
  if (!parse(count, words, &arguments)) {
    std::cerr << "usage: inspect [--cafile FILE] http://HOST:PORT MODEL PICTURE...\n";
    return kFailed;
  }
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    std::cerr << "libcurl cannot be started\n";
    return kFailed;
  }
  ExitCode code = kFailed;
  try {
    code = inspect_all(arguments);
  } catch (const json::exception& error) {
    std::cerr << "the answer is not Takt's, or of another release: " << error.what() << "\n";
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
  }
  curl_global_cleanup();
  return code;
}
