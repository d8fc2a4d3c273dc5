using Postrider.Dashboard.Html;

namespace Postrider.Dashboard.DeadLetters;

/// <summary>What the forms that change something share.</summary>
internal static class Forms
{
    /// <summary>The enter key in a field presses the first button of a form: this one does nothing.</summary>
    public static Markup NoDefault => $"""<button disabled hidden>Nothing</button>""";

    public static Markup Of(View view) => $"""<input type="hidden" name="view" value="{view.ToQuery():exact}">""";

    /// <param name="which">What they are for: <c>selected</c> or <c>all</c>.</param>
    /// <param name="queue">Where replays go.</param>
    /// <param name="queues">The queues that are offered to move to.</param>
    public static Markup Buttons(string which, string queue, IReadOnlyList<string> queues) => $"""
        <p><button name="do" value="replay-{which}">Replay</button> to {queue} again, with fresh attempts</p>
        <p><label for="to-{which}">To the queue</label> <input id="to-{which}" name="to-{which}" list="queues-{which}"><datalist id="queues-{which}">{queues.Select(Option)}</datalist>
        <button name="do" value="move-{which}">Move</button> to be handled there, with fresh attempts</p>
        <p><button name="do" value="discard-{which}">Discard…</button> for good</p>
        """;

    private static Markup Option(string queue) => $"""<option value="{queue:exact}"></option>""";
}
