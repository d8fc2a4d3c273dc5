using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Postrider.Benchmarks;
using Postrider.Micro;

// In this process, since the pump's threads are what is measured and a build of its own for each benchmark takes longer than the benchmark.
var config = ManualConfig.CreateEmpty()
    .AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance))
    .AddDiagnoser(MemoryDiagnoser.Default)
    .AddColumnProvider(DefaultColumnProviders.Instance)
    .HideColumns(Column.Error, Column.StdDev, Column.Gen0, Column.Gen1, Column.Gen2)
    .AddExporter(MarkdownExporter.GitHub)
    .AddLogger(ConsoleLogger.Default)
    .WithArtifactsPath(Path.Combine(Repository.Root, "artifacts", "micro"))
    .WithOptions(ConfigOptions.DisableOptimizationsValidator);
Type[] benchmarks = [typeof(PublishPath), typeof(PublishParts), typeof(ConsumePath), typeof(Counting), typeof(Settling), typeof(Middlewares), typeof(Serializing), typeof(Mapping)];
var summaries = BenchmarkSwitcher.FromTypes(benchmarks).Run(args.Length == 0 ? ["--filter", "*"] : args, config).ToList();
if (summaries.Count == 0)
{
    return 1;
}

foreach (var summary in summaries)
{
    var log = new AccumulationLogger();
    MarkdownExporter.GitHub.ExportToLog(summary, log);
    var table = log.GetLog().Replace("**", "  ", StringComparison.Ordinal).Split('\n').Where(static line => line.StartsWith('|'));
    var name = summary.BenchmarksCases[0].Descriptor.Type.Name;
    await Markdown.ReplaceAsync(
        Path.Combine(Repository.Root, "docs", "performance.md"), $"micro-{name}",
        $"{TimeProvider.System.GetUtcNow():yyyy-MM-dd}, commit {await Repository.CommitAsync()}\n\n{string.Join('\n', table)}");
}

return summaries.Exists(static summary => summary.HasCriticalValidationErrors || summary.Reports.Any(static report => !report.Success)) ? 1 : 0;
