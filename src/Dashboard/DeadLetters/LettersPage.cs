using System.Globalization;
using Postrider.Dashboard.Html;

namespace Postrider.Dashboard.DeadLetters;

/// <summary>The dead letters of a queue: which to look for, those that fit, and what can be done with them.</summary>
internal static class LettersPage
{
    public static Markup Show(Visit visit, View view, long count, Look look, IReadOnlyList<string> queues, Run? underWay) => $"""
        {UnderWay(underWay)}
        <p>{count} in all. {Looked(view, look)}</p>
        {Filter(view)}
        {Next(view, look)}
        {(look.Found.Count == 0 ? Markup.None : Letters(visit, view, look, queues))}
        <section aria-labelledby="files">
        <h2 id="files">Files</h2>
        <p><a href="export?{(view with { After = null }).ToQuery()}">Export all that fit the filter</a> (NDJSON, a line for each; they stay in the queue)</p>
        <form method="post" action="import" enctype="multipart/form-data">
        {visit.Token()}{Forms.Of(view)}
        <p><label for="file">Import such a file into this dead-letter queue</label> <input type="file" id="file" name="file" required> <button>Import</button></p>
        </form>
        </section>
        """;

    private static Markup UnderWay(Run? run) => run is null
        ? Markup.None
        : $"""
          <p role="status">At work on this queue: <a href="run?id={run.Id}">{run.What}</a>, {run.Done} done so far. The transport may hide what it has in hand.</p>
          """;

    private static Markup Looked(View view, Look look)
    {
        Markup where = view.After is null ? Markup.None : $"further ";
        return look.Next is null
            ? (Markup)$"The last {look.Looked} {where}were looked at; {look.Fitting} fit and are shown, oldest first."
            : $"{look.Looked} {where}were looked at; {look.Fitting} fit and are shown, oldest first.";
    }

    private static Markup Next(View view, Look look)
    {
        Markup first = view.After is null ? Markup.None : $"""<a href="letters?{(view with { After = null }).ToQuery()}">From the first</a> """;
        Markup next = look.Next is null ? Markup.None : $"""<a rel="next" href="letters?{(view with { After = look.Next }).ToQuery()}">Look further</a>""";
        return view.After is null && look.Next is null ? Markup.None : $"""<nav aria-label="Pages"><p>{first}{next}</p></nav>""";
    }

    private static Markup Filter(View view) => $"""
        <form method="get" action="letters">
        <fieldset class="filter">
        <legend>Show only</legend>
        <input type="hidden" name="queue" value="{view.Queue:exact}">
        <p><label for="reason">Reason</label> <select id="reason" name="reason"><option value="">any</option>{Enum.GetValues<DeadLetterReason>().Select(one => Option(one, view))}</select></p>
        <p><label for="exception">Type of exception, in full</label> <input id="exception" name="exception" value="{view.Filter.ExceptionType:exact}"></p>
        <p><label for="type">Type of message</label> <input id="type" name="type" value="{view.Filter.MessageType:exact}"></p>
        <p><label for="id">Id of message</label> <input id="id" name="id" value="{view.Filter.MessageId:exact}"></p>
        <p><label for="from">Dead since (UTC)</label> <input type="datetime-local" step="1" id="from" name="from" value="{Local(view.Filter.From):exact}"></p>
        <p><label for="until">Dead before (UTC)</label> <input type="datetime-local" step="1" id="until" name="until" value="{Local(view.Filter.Until):exact}"></p>
        <p><button>Show</button> <a href="letters?{new View { Queue = view.Queue }.ToQuery()}">Show all</a></p>
        </fieldset>
        </form>
        """;

    private static Markup Option(DeadLetterReason reason, View view)
    {
        Markup selected = view.Filter.Reason == reason ? $" selected" : Markup.None;
        return $"""<option value="{reason.ToWireName()}"{selected}>{reason.ToWireName()}</option>""";
    }

    private static string? Local(DateTimeOffset? time) => time?.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss", CultureInfo.InvariantCulture);

    private static Markup Letters(Visit visit, View view, Look look, IReadOnlyList<string> queues) => $"""
        <form method="post" action="letters">
        {Forms.NoDefault}{visit.Token()}{Forms.Of(view)}
        <table>
        <caption>Dead letters</caption>
        <thead><tr><th scope="col">Selected</th><th scope="col">Message</th><th scope="col">Type</th><th scope="col">Dead since</th><th scope="col">Reason</th><th scope="col">Why</th><th scope="col" class="number">Attempts</th></tr></thead>
        <tbody>
        {look.Found.Select(letter => Row(visit, view, letter))}
        </tbody>
        </table>
        <fieldset>
        <legend>With those selected</legend>
        {Forms.Buttons("selected", view.Queue, queues)}
        </fieldset>
        <fieldset>
        <legend>With all that fit the filter, on every page</legend>
        <p><label for="rate">At most so many a second (empty: as fast as it goes)</label> <input type="number" id="rate" name="rate" min="0.01" max="100000" step="any"></p>
        {Forms.Buttons("all", view.Queue, queues)}
        </fieldset>
        </form>
        """;

    private static Markup Row(Visit visit, View view, DeadLetter letter)
    {
        var (envelope, info) = (letter.Envelope, letter.Info);
        return $"""
            <tr>
            <td><input type="checkbox" name="at" value="{Uri.EscapeDataString(letter.Position):exact}" aria-label="Select {Visible.Short(envelope.Id, 100)}"></td>
            <th scope="row"><a href="letter?{view.ToQuery(letter.Position)}">{Visible.Short(envelope.Id, 100)}</a></th>
            <td>{Narrower(view with { After = null, Filter = view.Filter with { MessageType = envelope.Type } }, envelope.Type)}</td>
            <td>{visit.When(info.At)}</td>
            <td class="short">{Narrower(view with { After = null, Filter = view.Filter with { Reason = info.Reason } }, info.Reason.ToWireName())}</td>
            <td>{Narrower(view with { After = null, Filter = view.Filter with { ExceptionType = info.ExceptionType } }, info.ExceptionType)} {Visible.Short(info.ExceptionMessage ?? info.Description, 300)}</td>
            <td class="number">{info.Attempts}</td>
            </tr>

            """;
    }

    private static Markup Narrower(View view, string? value) => string.IsNullOrEmpty(value)
        ? Markup.None
        : $"""<a href="letters?{view.ToQuery()}" title="Show only these">{Visible.Short(value, 150)}</a>""";
}
