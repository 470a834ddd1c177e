// Ask a running Takt server about pictures, one after another.
//
//     dotnet run -- http://127.0.0.1:8000 pitting part1.jpg part2.jpg
//
// Needs no package. Written for .NET 8 and later; .NET Framework 4.8 and Mono compile it as well.
// A server with API keys takes the one in the environment's TAKT_KEY. For a server whose certificate
// is signed by an authority of your own, add that authority to the system's.
//
// Exit codes: 0 every part is good, 1 at least one is anomalous or undecided, 2 not every picture was
// answered.

using System;
using System.Globalization;
using System.IO;
using System.Net;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Runtime.Serialization;
using System.Runtime.Serialization.Json;
using System.Threading.Tasks;

namespace TaktInspect
{
    /// <summary>What was found in a picture; a field that is missing is an error.</summary>
    [DataContract]
    internal sealed class Inspected
    {
        [DataMember(Name = "anomalous", IsRequired = true)]
        public bool Anomalous { get; set; }

        [DataMember(Name = "score", IsRequired = true)]
        public double Score { get; set; }

        [DataMember(Name = "threshold", IsRequired = true)]
        public double Threshold { get; set; }

        /// <summary>Why the picture cannot be judged; null where it is, and of servers before API 2.10.</summary>
        [DataMember(Name = "undecided")]
        public Reason Undecided { get; set; }

        [DataMember(Name = "regions", IsRequired = true)]
        public Region[] Regions { get; set; }
    }

    /// <summary>Why a picture cannot be judged, in words.</summary>
    [DataContract]
    internal sealed class Reason
    {
        [DataMember(Name = "text", IsRequired = true)]
        public string Text { get; set; }
    }

    /// <summary>A defect; its box is x, y, width, height in pixels of the picture.</summary>
    [DataContract]
    internal sealed class Region
    {
        [DataMember(Name = "box", IsRequired = true)]
        public int[] Box { get; set; }
    }

    /// <summary>Why a request was refused, and what to do.</summary>
    [DataContract]
    internal sealed class Problem
    {
        [DataMember(Name = "code", IsRequired = true)]
        public string Code { get; set; }

        [DataMember(Name = "detail", IsRequired = true)]
        public string Detail { get; set; }
    }

    /// <summary>A picture that was not answered; the next one may be.</summary>
    internal sealed class PictureException : Exception
    {
        public PictureException(string message) : base(message) { }
    }

    internal static class Program
    {
        private const int Good = 0;
        private const int Anomalous = 1;
        private const int Failed = 2;

        private static int Main(string[] arguments)
        {
            return Run(arguments).GetAwaiter().GetResult();
        }

        private static async Task<int> Run(string[] arguments)
        {
            if (arguments.Length < 3 || !Uri.TryCreate(arguments[0], UriKind.Absolute, out Uri server))
            {
                Console.Error.WriteLine("usage: inspect http://HOST:PORT MODEL PICTURE...");
                return Failed;
            }
            // The key is for this server alone, so no redirect is followed.
            using (var handler = new HttpClientHandler { AllowAutoRedirect = false })
            using (var http = new HttpClient(handler) { Timeout = TimeSpan.FromSeconds(30) })
            {
                string key = Environment.GetEnvironmentVariable("TAKT_KEY");
                if (!string.IsNullOrWhiteSpace(key))
                {
                    http.DefaultRequestHeaders.Authorization =
                        new AuthenticationHeaderValue("Bearer", key.Trim());
                }
                string model = Uri.EscapeDataString(arguments[1]);
                string url = arguments[0].TrimEnd('/') + "/v1/models/" + model + "/inspect";
                try
                {
                    return await InspectAll(http, url, arguments);
                }
                catch (HttpRequestException error)
                {
                    string reason = (error.InnerException ?? error).Message;
                    Console.Error.WriteLine("no answer from " + server + ": " + reason);
                }
                catch (TaskCanceledException)
                {
                    Console.Error.WriteLine("no answer from " + server + " in time");
                }
                catch (SerializationException error)
                {
                    Console.Error.WriteLine("the answer is not Takt's, or of another release: " + error.Message);
                }
                catch (InvalidOperationException error)
                {
                    Console.Error.WriteLine(error.Message);
                }
            }
            return Failed;
        }

        private static async Task<int> InspectAll(HttpClient http, string url, string[] arguments)
        {
            int code = Good;
            for (int number = 2; number < arguments.Length; number++)
            {
                string path = arguments[number];
                try
                {
                    Inspected found = await Inspect(http, url, path);
                    Tell(path, found);
                    if (found.Anomalous)
                    {
                        code = Math.Max(code, Anomalous);
                    }
                }
                catch (Exception error) when (error is PictureException || error is IOException
                                              || error is UnauthorizedAccessException)
                {
                    Console.Error.WriteLine(path + ": " + error.Message);
                    code = Failed;
                }
            }
            return code;
        }

        /// <summary>Send one picture; a refusal becomes an exception with its code.</summary>
        private static async Task<Inspected> Inspect(HttpClient http, string url, string path)
        {
            using (var body = new ByteArrayContent(File.ReadAllBytes(path)))
            {
                body.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
                using (HttpResponseMessage response = await http.PostAsync(url, body))
                {
                    byte[] answer = await response.Content.ReadAsByteArrayAsync();
                    if (response.StatusCode == HttpStatusCode.OK)
                    {
                        return Read<Inspected>(answer);
                    }
                    string problem = Explain(response.StatusCode, answer);
                    if (response.StatusCode == HttpStatusCode.Unauthorized
                        || response.StatusCode == HttpStatusCode.Forbidden)
                    {
                        throw new InvalidOperationException(problem);
                    }
                    throw new PictureException(problem);
                }
            }
        }

        private static string Explain(HttpStatusCode status, byte[] answer)
        {
            try
            {
                Problem problem = Read<Problem>(answer);
                return problem.Code + " (" + (int)status + "): " + problem.Detail;
            }
            catch (SerializationException)
            {
                return "HTTP " + (int)status + " of something that is not Takt";
            }
        }

        private static T Read<T>(byte[] json)
        {
            using (var stream = new MemoryStream(json))
            {
                return (T)new DataContractJsonSerializer(typeof(T)).ReadObject(stream);
            }
        }

        /// <summary>Print the verdict, why it is undecided, and each defect's place.</summary>
        private static void Tell(string path, Inspected found)
        {
            string verdict = found.Undecided != null ? "undecided" : found.Anomalous ? "anomalous" : "good";
            Console.WriteLine(string.Format(
                CultureInfo.InvariantCulture,
                "{0}: {1}, score {2:F4} of {3:F4}", path, verdict, found.Score, found.Threshold));
            if (found.Undecided != null)
            {
                Console.WriteLine("    " + found.Undecided.Text);
            }
            foreach (Region region in found.Regions ?? new Region[0])
            {
                int[] box = region.Box;
                Console.WriteLine("    " + box[2] + " x " + box[3] + " px at (" + box[0] + ", " + box[1] + ")");
            }
        }
    }
}
