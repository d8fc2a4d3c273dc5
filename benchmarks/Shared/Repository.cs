using System.Diagnostics;

namespace Postrider.Benchmarks;

/// <summary>Where this was built from.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    public static async Task<string> CommitAsync()
    {
        var commit = await GitAsync("rev-parse", "--short", "HEAD");
        var changed = await GitAsync("status", "--porcelain", "--", "src", "benchmarks");
        return changed.Length == 0 ? commit : $"{commit} with changes";
    }

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Framework.sln")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException("The benchmarks run from a checkout of the repository: Framework.sln was not found above the program.");
    }

    private static async Task<string> GitAsync(params string[] arguments)
    {
        using var git = Process.Start(new ProcessStartInfo("git", ["-C", Root, .. arguments]) { RedirectStandardOutput = true })!;
        var output = await git.StandardOutput.ReadToEndAsync();
        await git.WaitForExitAsync();
        return output.Trim();
    }
}
