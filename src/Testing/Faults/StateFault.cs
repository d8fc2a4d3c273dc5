namespace Postrider.Testing;

/// <summary>What a state store can do wrong.</summary>
public enum StateFault
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>The last byte of a value is lost.</summary>
    CutsValues,

    /// <summary>A put replaces whatever is there.</summary>
    IgnoresRevisions,

    /// <summary>A delete deletes whatever is there.</summary>
    DeletesAnything,

    /// <summary>The revision of a new entry is lower than one that its key had.</summary>
    BeginsRevisionsAnew,

    /// <summary>Nothing expires.</summary>
    NeverExpires,

    /// <summary>Entries expire after half of their time.</summary>
    ExpiresEarly,

    /// <summary>A put does not begin the time to live anew.</summary>
    KeepsFirstExpiry,

    /// <summary>Expiry is by the clock of the process that reads.</summary>
    TrustsOwnClock,

    /// <summary>A list has whatever begins with the letters of the prefix.</summary>
    ListsByLetters,

    /// <summary>A list has one entry less.</summary>
    ListsTooLittle,

    /// <summary>A watch does not tell of deleted entries.</summary>
    WatchesNoDeletes,

    /// <summary>A watch does not tell of expired entries.</summary>
    WatchesNoExpiry,

    /// <summary>A watch tells of changes seconds later.</summary>
    WatchesLate,

    /// <summary>A watch gives nothing before the first change.</summary>
    WatchesChangesOnly,

    /// <summary>A watch gives every change one after another, to whoever is slow too.</summary>
    WatchesQueue,

    /// <summary>A watch does not go on after an outage.</summary>
    WatchEndsWithOutage,

    /// <summary>What was put last is lost when the server is killed.</summary>
    ForgetsWhenKilled,

    /// <summary>A call hangs while the server is away.</summary>
    HangsInOutage,

    /// <summary>Illegal keys and values are taken.</summary>
    TakesAnything,

    /// <summary>What waits goes on waiting when the store is disposed of.</summary>
    HangsWhenDisposed,
}
