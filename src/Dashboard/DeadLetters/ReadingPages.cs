using Microsoft.AspNetCore.Http;
using Postrider.Dashboard.Html;

namespace Postrider.Dashboard.DeadLetters;

/// <summary>The pages that only look.</summary>
internal sealed class ReadingPages(IDeadLetters letters, Runs runs)
{
    public async Task QueuesAsync(Visit visit)
    {
        // Relative addresses need the slash at the end.
        var path = visit.Context.Request.PathBase.Value + visit.Context.Request.Path.Value;
        if (!path.EndsWith('/'))
        {
            await visit.RedirectAsync(Uri.EscapeDataString(path[(path.LastIndexOf('/') + 1)..]) + "/").ConfigureAwait(false);
            return;
        }

        var counts = new List<(string Queue, long? Count)>();
        foreach (var queue in letters.Queues)
        {
            counts.Add((queue, await CountAsync(queue, visit.Aborted).ConfigureAwait(false)));
        }

        await visit.PageAsync("Dead letters", QueuesPage.Show(counts)).ConfigureAwait(false);
    }

    public async Task LettersAsync(Visit visit)
    {
        var view = View.Parse(visit.Context.Request.QueryString.Value);
        var count = await letters.CountAsync(view.Queue, visit.Aborted).ConfigureAwait(false);
        var look = await Look.AtAsync(letters, view, visit.Time, visit.Aborted).ConfigureAwait(false);
        await visit.PageAsync($"Dead letters of {view.Queue}", LettersPage.Show(visit, view, count, look, letters.Queues, runs.UnderWay(view.Queue))).ConfigureAwait(false);
    }

    public async Task LetterAsync(Visit visit)
    {
        var (view, letter) = await FindAsync(visit).ConfigureAwait(false);
        await (letter is null
            ? GoneAsync(visit, view)
            : visit.PageAsync($"Dead letter {Visible.Short(letter.Envelope.Id, 100)}", LetterPage.Show(visit, view, letter, letters.Queues))).ConfigureAwait(false);
    }

    public async Task BodyAsync(Visit visit)
    {
        var (view, letter) = await FindAsync(visit).ConfigureAwait(false);
        if (letter is null)
        {
            await GoneAsync(visit, view).ConfigureAwait(false);
            return;
        }

        visit.BeginDownload("application/octet-stream", "body.bin");
        visit.Context.Response.ContentLength = letter.Envelope.Body.Length;
        await visit.Context.Response.Body.WriteAsync(letter.Envelope.Body, visit.Aborted).ConfigureAwait(false);
    }

    public async Task ExportAsync(Visit visit)
    {
        var view = View.Parse(visit.Context.Request.QueryString.Value);
        // An answer that has begun cannot turn into an error page: so the first question comes before.
        await letters.CountAsync(view.Queue, visit.Aborted).ConfigureAwait(false);
        var what = Visible.Line($"export of dead letters of '{view.Queue}' {view.FilterInWords()}".TrimEnd());
        visit.Log.Began(visit.User, what);
        visit.BeginDownload("application/x-ndjson", $"{view.Queue}.dlq.ndjson");
        var count = await letters.ExportAsync(view.Queue, visit.Context.Response.Body, view.Filter, visit.Aborted).ConfigureAwait(false);
        visit.Log.Ended(visit.User, what, count, 0);
    }

    public Task RunAsync(Visit visit) => runs.Find(visit.Query["id"]) is { } run
        ? visit.PageAsync(run.IsOver ? "Over" : "Under way", RunPage.Show(visit, run), refresh: !run.IsOver)
        : visit.PageAsync(
            "Not known here",
            $"""
            <p role="alert">Only the process that carries a change out knows how it goes, and only until it ends. Another one has this change, or it was restarted since.
            What was not done is still in the list; the log tells what was.</p><p><a href="./">All queues</a></p>
            """,
            StatusCodes.Status404NotFound);

    private static Task GoneAsync(Visit visit, View view) => visit.PageAsync(
        "It is gone",
        $"""
        <p role="alert">This dead letter is not in the queue any more: it was replayed or discarded, or somebody has it in hand.</p>
        <p><a href="letters?{view.ToQuery()}">Dead letters of {view.Queue}</a></p>
        """,
        StatusCodes.Status404NotFound);

    private async ValueTask<(View View, DeadLetter? Letter)> FindAsync(Visit visit)
    {
        var view = View.Parse(visit.Context.Request.QueryString.Value);
        var at = visit.Query["at"] is [{ Length: > 0 } position] ? position : throw new InputException("No dead letter is named.");
        return (view, await letters.FindAsync(view.Queue, at, visit.Aborted).ConfigureAwait(false));
    }

    private async ValueTask<long?> CountAsync(string queue, CancellationToken cancellationToken)
    {
        try
        {
            return await letters.CountAsync(queue, cancellationToken).ConfigureAwait(false);
        }
        catch (TransportException e) when (e.Reason == TransportError.QueueNotFound)
        {
            return null;
        }
    }
}
