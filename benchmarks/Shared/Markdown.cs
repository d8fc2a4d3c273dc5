namespace Postrider.Benchmarks;

/// <summary>A Markdown file that tools fill in between markers; what stands outside them is left alone.</summary>
internal static class Markdown
{
    /// <summary>Replaces what is between <c>&lt;!-- results:name --&gt;</c> and its end, or adds it as a section at the end of the file.</summary>
    public static async Task ReplaceAsync(string path, string name, string content)
    {
        var text = File.Exists(path) ? await File.ReadAllTextAsync(path) : "# Performance\n";
        var (begin, end) = ($"<!-- results:{name} -->", $"<!-- /results:{name} -->");
        if (!text.Contains(begin, StringComparison.Ordinal))
        {
            text = $"{text.TrimEnd()}\n\n## {name}\n\n{begin}\n{end}\n";
        }

        var from = text.IndexOf(begin, StringComparison.Ordinal) + begin.Length;
        var to = text.IndexOf(end, from, StringComparison.Ordinal);
        await File.WriteAllTextAsync(path, $"{text[..from]}\n\n{content.Trim()}\n\n{text[to..]}");
    }
}
