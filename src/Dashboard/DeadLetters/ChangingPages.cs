using System.Text;

namespace Postrider.Dashboard.DeadLetters;

/// <summary>What the forms ask for. Each change is a run, and the answer leads to its page: so a reload repeats nothing.</summary>
internal sealed class ChangingPages(IDeadLetters letters, Runs runs)
{
    /// <summary>Most changes are over at once: then the page has the result when it is first shown.</summary>
    private static readonly TimeSpan Wait = TimeSpan.FromSeconds(2);

    /// <summary>Replays, moves or discards those selected, or all that fit. What cannot be taken back, or is for many, is asked once more.</summary>
    public async Task ActAsync(Visit visit)
    {
        var view = ViewOf(visit);
        var act = Act.Read(visit.Form);
        if (act.MustBeAsked && visit.Form["sure"] != "yes")
        {
            // Those that come while somebody thinks about it are not meant.
            var now = visit.Time.GetUtcNow();
            view = act.IsForAll && !(view.Filter.Until < now) ? view with { Filter = view.Filter with { Until = now } } : view;
            var look = act.IsForAll ? await Look.CountAsync(letters, view, visit.Time, visit.Aborted).ConfigureAwait(false) : null;
            await visit.PageAsync("Are you sure?", ConfirmPage.Show(visit, view, act, look)).ConfigureAwait(false);
            return;
        }

        var options = new ReplayOptions { Queue = act.To, MaxPerSecond = act.Rate };
        await ShowAsync(visit, runs.Start(act.InWords(view), view, visit.User, run => (act.What, act.IsForAll) switch
        {
            (What.Discard, true) => AllAsync(run, letters.DiscardAllAsync(view.Queue, view.Filter, run, run.Stopping)),
            (_, true) => AllAsync(run, letters.ReplayAllAsync(view.Queue, view.Filter, options, run, run.Stopping)),
            (What.Discard, false) => EachAsync(run, act.Positions, letter => letters.DiscardAsync(letter, run.Stopping)),
            _ => EachAsync(run, act.Positions, letter => letters.ReplayAsync(letter, options, run.Stopping)),
        })).ConfigureAwait(false);
    }

    /// <summary>Replays one with another body, type or content type.</summary>
    public async Task EditAsync(Visit visit)
    {
        var view = ViewOf(visit);
        var at = Act.PositionsOf(visit.Form) is [var one] ? one : throw new InputException("No dead letter is named.");
        var (body, type, contentType) = (visit.Form["body"].ToString(), visit.Form["type"].ToString(), visit.Form["content-type"].ToString());
        await ShowAsync(visit, runs.Start($"edit and replay a dead letter of '{view.Queue}' at {at}", view, visit.User, run => EachAsync(run, [at], letter =>
        {
            var original = BodyView.Editable(letter.Envelope) ?? throw new InputException("It cannot be edited here.");
            var edited = letter.Envelope with
            {
                Body = Encoding.UTF8.GetBytes(BodyView.Edited(original, body)),
                Type = type.Length == 0 ? null : type,
                ContentType = contentType.Length == 0 ? null : contentType,
            };
            return letters.ReplayAsync(letter with { Envelope = edited }, null, run.Stopping);
        }))).ConfigureAwait(false);
    }

    /// <summary>The file is there only as long as the request is: it ends with it.</summary>
    public async Task ImportAsync(Visit visit)
    {
        var view = ViewOf(visit);
        var file = visit.Form.Files.GetFile("file") ?? throw new InputException("No file was chosen.");
        var run = runs.Start(
            $"import into the dead letters of '{view.Queue}'", view, visit.User,
            async run =>
            {
                var lines = file.OpenReadStream();
                await using var _ = lines.ConfigureAwait(false);
                await AllAsync(run, letters.ImportAsync(view.Queue, lines, run, run.Stopping)).ConfigureAwait(false);
            },
            visit.Aborted);
        await run.Over.ConfigureAwait(false);
        await ShowAsync(visit, run).ConfigureAwait(false);
    }

    public Task StopAsync(Visit visit)
    {
        var run = runs.Find(visit.Form["id"]) ?? throw new InputException("That is over, or goes on in another process.");
        run.Stop();
        return ShowAsync(visit, run);
    }

    private static View ViewOf(Visit visit) => View.Parse(visit.Form["view"]);

    private static async Task AllAsync(Run run, ValueTask<long> work) => run.Report(await work.ConfigureAwait(false));

    /// <summary>One after another; the first failure ends it, as the broker would fail the next one too.</summary>
    private async Task EachAsync(Run run, IReadOnlyList<string> positions, Func<DeadLetter, ValueTask<bool>> change)
    {
        foreach (var position in positions)
        {
            run.Stopping.ThrowIfCancellationRequested();
            var letter = await letters.FindAsync(run.View.Queue, position, run.Stopping).ConfigureAwait(false);
            run.Count(done: letter is not null && await change(letter).ConfigureAwait(false));
        }
    }

    private static async Task ShowAsync(Visit visit, Run run)
    {
        try
        {
            await run.Over.WaitAsync(Wait, visit.Time, visit.Aborted).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // Its page shows how far it is.
        }

        await visit.RedirectAsync($"run?id={run.Id}").ConfigureAwait(false);
    }
}
