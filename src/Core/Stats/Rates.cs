namespace Postrider.Core.Stats;

/// <summary>How many a second, on average.</summary>
/// <param name="Now">Over the last 10 seconds.</param>
/// <param name="Minute">Over the last minute.</param>
/// <param name="FiveMinutes">Over the last five minutes.</param>
/// <remarks>Renewed every 5 seconds. A host that is younger than that counts from its start on.</remarks>
public readonly record struct Rates(double Now, double Minute, double FiveMinutes)
{
    /// <summary>Both together.</summary>
    public static Rates operator +(Rates one, Rates other) => new(one.Now + other.Now, one.Minute + other.Minute, one.FiveMinutes + other.FiveMinutes);

    /// <summary>Both together.</summary>
    public static Rates Add(Rates one, Rates other) => one + other;
}
