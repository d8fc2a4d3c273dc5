using System.Diagnostics;

namespace Postrider.Brokers;

/// <summary>Runs a client of a broker that knows nothing of Postrider, as <c>eng/brokers.sh clients</c> installs it.</summary>
public static class OtherClient
{
    /// <summary>Skips where the program is not there, or cannot be run with these arguments.</summary>
    public static async Task RequireAsync(string program, params string[] arguments)
    {
        var there = File.Exists(program);
        if (there)
        {
            var (code, _, _) = await StartAsync(program, "", null, arguments);
            there = code == 0;
        }

        Assert.SkipUnless(there, $"no client: {program} {string.Join(' ', arguments)}; run ./test.sh as root, or eng/brokers.sh clients");
    }

    /// <summary>What it writes. It fails when the program does.</summary>
    public static async Task<string> RunAsync(string program, string input, IReadOnlyDictionary<string, string>? environment, params string[] arguments)
    {
        var (code, output, error) = await StartAsync(program, input, environment, arguments);
        Assert.True(code == 0, $"{program} ended with {code}: {error}");
        return output;
    }

    private static async Task<(int Code, string Output, string Error)> StartAsync(
        string program, string input, IReadOnlyDictionary<string, string>? environment, string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        using var process = Process.Start(start)!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        await process.WaitForExitAsync();
        return (process.ExitCode, await output, await error);
    }
}
