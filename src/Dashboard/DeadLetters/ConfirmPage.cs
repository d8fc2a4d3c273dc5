using System.Globalization;
using Postrider.Dashboard.Html;

namespace Postrider.Dashboard.DeadLetters;

/// <summary>Says what a change would do, before it is done.</summary>
internal static class ConfirmPage
{
    public static Markup Show(Visit visit, View view, Act act, Look? look) => $"""
        <p>{act.InWords(view)}</p>
        {(look is null ? Markup.None : Fitting(look))}
        {(act.What == What.Discard ? Warning : Markup.None)}
        <form method="post" action="letters">
        {visit.Token()}{Forms.Of(view)}{act.Positions.Select(At)}
        <input type="hidden" name="sure" value="yes">
        <input type="hidden" name="to-{Which(act)}" value="{act.To:exact}">
        <input type="hidden" name="rate" value="{act.Rate?.ToString(CultureInfo.InvariantCulture):exact}">
        <p><button name="do" value="{act.Name}">Yes, {act.What.ToString().ToLowerInvariant()}</button> <a href="letters?{view.ToQuery()}">No, go back</a></p>
        </form>
        """;

    private static Markup Warning => $"<p>What is discarded cannot be brought back. An export before keeps a copy.</p>";

    private static Markup Fitting(Look look) => look.Next is null
        ? (Markup)$"<p>{look.Fitting} fit now.</p>"
        : $"<p>At least {look.Fitting} fit: of the first {look.Looked}, which were looked at.</p>";

    private static Markup At(string position) => $"""<input type="hidden" name="at" value="{Uri.EscapeDataString(position):exact}">""";

    private static string Which(Act act) => act.IsForAll ? "all" : "selected";
}
