using Spectre.Console;

namespace Postrider.Storefront;

/// <summary>Shows how far the run is: a table that stays in place on a terminal, otherwise a line for each second.</summary>
public sealed class Progress(IAnsiConsole console, Accounting accounting, TimeProvider time)
{
    private static readonly TimeSpan OnTerminal = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan InText = TimeSpan.FromSeconds(1);

    /// <summary>Shows it until the run ends.</summary>
    public Task ShowAsync(Task run, bool onTerminal) => onTerminal
        ? console.Live(Table(accounting.Read())).AutoClear(true).StartAsync(live => TickAsync(run, OnTerminal, figures => live.UpdateTarget(Table(figures))))
        : TickAsync(run, InText, figures => console.Profile.Out.Writer.WriteLine(Text(figures)));

    private async Task TickAsync(Task run, TimeSpan period, Action<Figures> show)
    {
        using var timer = new PeriodicTimer(period, time);
        var tick = timer.WaitForNextTickAsync().AsTask();
        while (await Task.WhenAny(run, tick) == tick)
        {
            show(accounting.Read());
            tick = timer.WaitForNextTickAsync().AsTask();
        }
    }

    private static Table Table(Figures figures)
    {
        var table = new Table().Border(TableBorder.Rounded)
            .Title($"{figures.Published:N0} orders published · {figures.Elapsed.TotalSeconds:N1} s · {figures.PerSecond:N0} msg/s")
            .AddColumn("consumer");
        foreach (var name in (string[])["handled", "retried", "dead-lettered", "to do"])
        {
            table.AddColumn(new TableColumn(name).RightAligned().Width(13));
        }

        foreach (var one in figures.Consumers)
        {
            table.AddRow(one.Queue, $"{one.Handled:N0}", $"{one.Retries:N0}", $"{one.DeadLetters:N0}", $"{one.Outstanding.Count:N0}");
        }

        return table;
    }

    private static string Text(Figures figures) =>
        $"{figures.Elapsed.TotalSeconds,5:N0} s  published {figures.Published:N0}"
        + string.Concat(figures.Consumers.Select(one =>
            $" | {one.Queue}: {one.Handled:N0} handled, {one.Retries:N0} retried, {one.DeadLetters:N0} dead-lettered"));
}
